"""`python -m harness`, the same program as the `harness` command."""

from harness import interrupts


def main() -> None:
    """Runs the command line; ends the process with the right exit code, from here on."""
    interrupts.end_at_once()
    from harness.cli import main as command_line  # a tenth of a second in which Ctrl-C may come

    command_line()


if __name__ == "__main__":
    main()
