"""The two errors a user can cause. Everything else that is raised is a defect of ours."""


class DataError(ValueError):
    """A file or folder is not what it has to be. The message names it, and says what to do."""


class ConfigError(ValueError):
    """An option or a setting is unknown or out of range. The message says what is allowed."""


def missing_extra(package: str, extra: str) -> ConfigError:
    """The error for a missing optional dependency, with the command that mends it."""
    return ConfigError(f"{package} is not installed; install it with: pip install 'utal[{extra}]'")
