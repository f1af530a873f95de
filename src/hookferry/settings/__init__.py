"""Every setting: what it means (``model``) and where its value comes from (``load``)."""

from hookferry.settings.load import CONFIG_NAME, ENV_PREFIX, TOOL_VARIABLES, load
from hookferry.settings.model import ADMIN_KEY_FILE, MASTER_KEY_FILE, Settings, Spec, specs

__all__ = [
    "ADMIN_KEY_FILE",
    "CONFIG_NAME",
    "ENV_PREFIX",
    "MASTER_KEY_FILE",
    "TOOL_VARIABLES",
    "Settings",
    "Spec",
    "load",
    "specs",
]
