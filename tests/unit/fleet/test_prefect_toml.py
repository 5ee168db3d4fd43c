import stat
import subprocess
import sys
from pathlib import Path

import pytest

from genesis.fleet.prefect_toml import PREFECT_FILE, point_prefect_here

URL = "http://127.0.0.1:43210/api"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "prefect.yaml").write_text("deployments: []\n")
    return tmp_path


def test_prefects_settings_find_the_server(project):
    assert point_prefect_here(URL, project)
    code = "from prefect.settings import Settings; print(Settings().api.url)"
    asked = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == URL


def test_the_password_is_for_its_user_alone(project, monkeypatch):
    monkeypatch.delenv("PREFECT_API_AUTH_STRING")
    (project / PREFECT_FILE).symlink_to(project / "elsewhere")
    assert point_prefect_here(URL, project, "genesis:word")
    file = project / PREFECT_FILE
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600
    assert not (project / "elsewhere").exists()
    code = "from prefect.settings import Settings; print(Settings().api.auth_string.get_secret_value())"
    asked = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "genesis:word"


def test_it_is_written_again_when_the_address_changes(project):
    point_prefect_here("http://127.0.0.1:1/api", project)
    assert point_prefect_here(URL, project)
    assert URL in (project / PREFECT_FILE).read_text()


def test_a_file_of_the_teams_own_is_left_alone(project):
    (project / PREFECT_FILE).write_text("[api]\nurl = 'https://ours/api'\n")
    assert not point_prefect_here(URL, project)
    assert "ours" in (project / PREFECT_FILE).read_text()


def test_a_folder_that_is_no_project_gets_none(tmp_path):
    assert not point_prefect_here(URL, tmp_path)
    assert not (tmp_path / PREFECT_FILE).exists()
