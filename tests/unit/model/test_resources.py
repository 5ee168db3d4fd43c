import pytest
from pydantic import ValidationError

from genesis.model import Resources
from genesis.model.resources import find_lacking, format_memory


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (1, 1), (2048, 2048), ("512", 512), ("512Mi", 512 * 1024**2), ("2GB", 2_000_000_000), ("2 GiB", 2 * 1024**3),
        ("1.5Gi", 3 * 512 * 1024**2), ("10k", 10_000), ("10K", 10_000), ("10Ki", 10_240), ("1T", 10**12), ("7B", 7),
    ],
)  # fmt: skip
def test_memory_is_bytes_or_a_number_with_a_unit(written, amount):
    assert Resources(memory=written).memory == amount


@pytest.mark.parametrize(
    "written", [0, -1, "512mb", "Mi", "1Pi", "1 2Gi", "1e3", "", True, [], "9999999Ti", float("nan")]
)
def test_memory_in_another_form_is_refused(written):
    with pytest.raises(ValidationError):
        Resources(memory=written)


def test_what_is_wrong_with_an_amount_is_said():
    with pytest.raises(ValidationError, match="'512mb' is no amount of memory; write bytes, or a number with Ki"):
        Resources(memory="512mb")


@pytest.mark.parametrize("amount", [1, 1000, 1024, 1500, 512 * 1024**2, 2_000_000_000, 2**60])
def test_a_written_amount_is_read_again(amount):
    assert Resources(memory=format_memory(amount)).memory == amount


def test_a_document_has_units():
    needs = Resources(cpu=0.5, memory="2048Mi", tags=["linux"])
    assert needs.model_dump(mode="json", exclude_defaults=True) == {"cpu": 0.5, "memory": "2Gi", "tags": ["linux"]}
    assert Resources.model_validate(needs.model_dump(mode="json")) == needs


@pytest.mark.parametrize("wrong", [{"cpu": 0}, {"cpu": "inf"}, {"gpu": -1}, {"gpu": 0.5}, {"disk": 1}])
def test_impossible_needs_are_refused(wrong):
    with pytest.raises(ValidationError):
        Resources.model_validate(wrong)


def test_an_agent_without_a_statement_has_no_limits_but_neither_gpus_nor_tags():
    needs = Resources(cpu=64, memory="1Ti", gpu=1, tags=["linux", "linux"])
    assert find_lacking(needs, None) == ["gpu 1 (it has 0)", "the tag 'linux'"]
    assert find_lacking(None, Resources(cpu=1)) == []
    offer = Resources(cpu=8, memory="2Gi", gpu=2, tags=["linux", "arm"])
    assert find_lacking(needs, offer) == ["cpu 64 (it has 8)", "memory 1Ti (it has 2Gi)"]
    assert find_lacking(Resources(cpu=8, memory="2048Mi", gpu=2), offer) == []
