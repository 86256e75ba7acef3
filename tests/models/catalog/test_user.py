from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from harness.errors import HarnessError
from harness.models.catalog.catalog import load_catalog, user_catalog_path

ONE = """\
schema: 1
models:
  - name: {name}
    lab: {lab}
    country: null
    licence: MIT
    variants:
      - quantization: Q8_0
        source: {{kind: hub, repo: me/{name}-GGUF}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_CONFIG", str(folder))
    return folder


def written(folder: Path, *, name: str, lab: str = "Me", file: str = "models.yaml") -> Path:
    path = folder / file
    path.write_text(ONE.format(name=name, lab=lab), encoding="utf-8")
    return path


def test_without_one_of_the_users_own_the_shipped_catalogue_is_all(config: Path) -> None:
    assert not (config / "models.yaml").exists()
    assert load_catalog().models[0].name == "smollm2-135m"


def test_the_users_own_catalogue_adds_models_behind_the_shipped_ones(config: Path) -> None:
    n_shipped = len(load_catalog().models)
    written(config, name="mine")
    catalog = load_catalog()
    assert [spec.name for spec in catalog.models[n_shipped:]] == ["mine"]
    assert catalog.find("mine").key == "mine:Q8_0"
    assert catalog.models[0].name == "smollm2-135m"


def test_a_model_of_the_same_name_is_replaced_whole_and_in_its_place(config: Path) -> None:
    shipped = load_catalog()
    written(config, name="gpt-oss-20b")
    catalog = load_catalog()
    assert [spec.name for spec in catalog.models] == [spec.name for spec in shipped.models]
    spec = catalog.spec("gpt-oss-20b")
    assert (spec.lab, spec.architecture, len(spec.variants)) == ("Me", None, 1)
    assert not catalog.knows("openai/gpt-oss-20b")


def test_of_several_the_later_wins(config: Path, tmp_path: Path) -> None:
    written(config, name="mine", lab="Config")
    first = written(tmp_path, name="mine", lab="First", file="first.yaml")
    last = written(tmp_path, name="mine", lab="Last", file="last.yaml")
    assert load_catalog().spec("mine").lab == "Config"
    assert load_catalog([first]).spec("mine").lab == "First"
    assert load_catalog([first, last]).spec("mine").lab == "Last"
    assert load_catalog([last, first]).spec("mine").lab == "First"


def test_a_name_of_ones_own_beats_an_alias_of_a_shipped_model(config: Path) -> None:
    assert load_catalog().spec("kimi-k2").name == "kimi-k2-instruct"
    written(config, name="kimi-k2")
    assert load_catalog().spec("kimi-k2").lab == "Me"


def test_a_mistake_in_it_names_its_file_line_and_key(config: Path) -> None:
    path = config / "models.yaml"
    path.write_text(ONE.format(name="mine", lab="Me").replace("country", "land"))
    with pytest.raises(HarnessError) as caught:
        load_catalog()
    assert str(caught.value).startswith(f"{path}:3: models[0].country: Field required")


def test_text_that_is_not_utf8_is_said_to_be_that(config: Path) -> None:
    (config / "models.yaml").write_bytes(b"schema: 1 # \xff")
    with pytest.raises(HarnessError, match=r"models\.yaml is not UTF-8 text"):
        load_catalog()


def test_a_folder_in_its_place_cannot_be_read(config: Path) -> None:
    (config / "models.yaml").mkdir()
    with pytest.raises(HarnessError, match=r"models\.yaml cannot be read .*check the path"):
        load_catalog()


def test_it_lies_where_this_platform_keeps_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_CONFIG", raising=False)
    folder = Path(platformdirs.user_config_dir("harness", appauthor=False))
    assert user_catalog_path() == folder / "models.yaml"
