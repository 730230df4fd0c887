"""Code lists: what the standards leave to lists that change, each edition dated and with its source."""

from govbus.routing.codes.lists import CodeList, CodeLists, Edition

__all__ = ["CodeList", "CodeLists", "Edition"]
