"""Stage `report`: metrics/results.md and pictures for git, the page and tables of plots in data/report."""

from stages.common import leftovers
from stages.common.artifacts import write_table, write_text
from stages.common.stage import stage
from stages.evaluate.pictures import write_png
from stages.report import claims, collect, figures, page, summary, text


def main() -> None:
    leftovers.remove()
    with stage("report") as work:
        collect.refuse_others(list(work["variants"]), list(work["test_sets"]))
        results = collect.collect(list(work["variants"]), list(work["test_sets"]))
        verdicts = claims.decide(results.studies)
        write_text(work.out("metrics/results.md"), "\n".join(text.results(results, verdicts)))
        write_png(work.out("metrics/result.png"), figures.result_picture(results))
        write_png(work.out("metrics/noisy.png"), figures.noisy_picture(results))
        out = work.out("data/report")
        plotted = {"probes": results.probes, "curves": results.curves, "quantiles": results.distributions}
        for name, table in plotted.items():  # by DVC
            write_table(out / f"{name}.csv", table)
        write_text(out / "index.html", page.render(results, verdicts))
    print(f"report: {summary.answer(results.methods, results.studies)} See data/report/index.html")


if __name__ == "__main__":
    main()
