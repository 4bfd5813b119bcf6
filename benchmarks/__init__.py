"""Speed, memory and growth beside other libraries, as ratios within one run; no result depends on them."""
