"""Every variant and baseline on further photographs, which are only ever evaluated."""
