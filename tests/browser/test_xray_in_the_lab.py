"""The table of an X-ray in JupyterLab, in a window of 800 pixels with the file browser open."""

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "import torch\nfrom course_lib import xray",
    # the widest texts that a lesson shows: a row whose gradient is not finite in bold, and three axes
    "xray(lambda x: torch.where(x > 0, torch.log(x), 0 * x).sum(), torch.tensor([0.7, 0.0, 2.0], dtype=torch.float64))",
    "xray(lambda x: ((3 * x) ** 2 / (1 + x**2)).sum(), torch.ones(12, 3, 64, dtype=torch.float64))",
)


def test_no_column_of_the_table_has_to_be_scrolled_to(page, workspace, open_notebook, run_all):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, workspace / "xray.ipynb")
    open_notebook(page, "xray.ipynb")
    run_all(page)
    tables = page.get_by_role("region", name="X-ray", exact=True)
    for width, least in ((1280, 600), (800, 300)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => window.innerWidth === width", arg=width)
        page.wait_for_timeout(500)
        rooms = tables.evaluate_all("tables => tables.map(e => [e.clientWidth, e.scrollWidth])")
        assert len(rooms) == 2 and all(least < shown and needed <= shown for shown, needed in rooms), (width, rooms)
