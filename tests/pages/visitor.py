"""Somebody of a tenant's, at a page of theirs."""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "console"))
from console import Console


class Visitor(Console):
    """A browser session with a page on which users of a tenant sign in."""

    def __init__(self, stack, browser, page):
        super().__init__(stack, browser)
        self.url = f"{stack.url}/{page}"

    def enter(self, tenant):
        who = json.loads(pathlib.Path(os.environ["WAYBILL_STACK"]).read_text())["tenants"][tenant]["user"]
        self.page.get_by_label("Username").fill(who["username"])
        self.page.get_by_label("Password").fill(who["password"])
        self.page.get_by_role("button", name="Sign in").click()
