"""``install-service``: the monitor as a service that starts by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from livecount.cli.options import AsJson, load_settings
from livecount.cli.terminal import say, write_json
from livecount.errors import ConfigError, LivecountError


def install_service(
    config: Annotated[Path, typer.Option("--config", "-c", help="Settings of the monitor.")],
    for_all_users: Annotated[
        bool,
        typer.Option("--system", help="For the whole computer, from its start on; needs root."),
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Only show what would be written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a systemd unit that runs the monitor, for your user or for the whole computer.

    It is not started yet: the commands for that are shown. Nothing else is changed. On Windows see
    docs/service.md.

    Example: livecount install-service -c D:/livecount/config.toml
    """
    from livecount.platform.service import systemd_unit, unit_path
    from livecount.platform.windows import ON_WINDOWS

    settings = load_settings(config, {})
    if not settings.each_experiment:
        raise ConfigError(f"{config} names no folder to watch", hint="Set `folders` in [watch]")
    text = systemd_unit(config.absolute(), for_all_users=for_all_users)
    path = unit_path(for_all_users=for_all_users)
    if show:
        typer.echo(text, nl=False)
        return
    if ON_WINDOWS:
        raise LivecountError(
            "Windows has no systemd", hint="See docs/service.md for the Task Scheduler"
        )
    _write(path, text)
    user = "" if for_all_users else "--user "
    commands = [f"systemctl {user}daemon-reload", f"systemctl {user}enable --now livecount"]
    if not for_all_users:
        # Without it the user's services end when the user logs out.
        commands.append("loginctl enable-linger")
    if as_json:
        write_json({"unit": path, "commands": commands})
    else:
        say(f"wrote {path}; start it with")
        for command in commands:
            typer.echo(f"  {command}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise LivecountError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Run it as root for --system, or leave --system out for a service of your own",
        ) from error
