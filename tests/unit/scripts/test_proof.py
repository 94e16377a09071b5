"""How scripts/prove judges what its tools say."""

from typing import Any

from scripts.proof import coverage, mutants, mutation, slither
from scripts.proof.result import ROOT, Result


def finding(check: str, impact: str, contract: str, function: str) -> dict[str, Any]:
    parent = {"type": "contract", "name": contract}
    element = {"type": "function", "name": function, "type_specific_fields": {"parent": parent}}
    return {"check": check, "impact": impact, "elements": [element], "description": f"{contract}.{function}\n"}


def test_slither_judge__high_without_reason__is_a_finding() -> None:
    found = [finding("reentrancy-eth", "High", "Vault", "pay"), finding("timestamp", "Low", "Vault", "pay")]
    result = slither.judge(found, [])
    assert result.findings == ["High reentrancy-eth at Vault.pay: Vault.pay"]
    assert (result.figures["high impact"], result.figures["low impact"]) == (1, 1)


def test_slither_judge__explained__is_none_and_an_idle_reason_is_one() -> None:
    reason = {"check": "reentrancy-eth", "where": "Vault.pay", "reason": "guarded"}
    assert slither.judge([finding("reentrancy-eth", "High", "Vault", "pay")], [reason]).ok
    assert slither.judge([], [reason]).findings == ["explained but not found: reentrancy-eth at Vault.pay"]


def test_coverage_parse__lcov__keeps_our_files_only() -> None:
    text = (
        "SF:contracts/src/a/A.sol\nDA:3,0\nDA:4,7\nBRDA:4,0,0,2\nBRDA:4,0,1,-\nend_of_record\nSF:tests/B.sol\nDA:1,0\n"
    )
    (file,) = coverage.parse(text).values()
    assert file.lines == {3: 0, 4: 7}
    assert file.branches == {(4, "0.0"): 2, (4, "0.1"): 0}


def test_coverage_assembly_lines__nested_braces__inside_to_the_last() -> None:
    source = 'a;\nassembly ("memory-safe") {\n    for {} x {} {\n    }\n}\nb;\n'
    assert coverage.assembly_lines(source) == {2, 3, 4, 5}


def test_coverage_judge__half_of_the_branches__is_a_finding() -> None:
    path = "contracts/src/token/EnergyToken.sol"
    file = coverage.File({1: 1}, {(1, "0.0"): 1, (1, "0.1"): 0})
    result = coverage.judge({path: file}, Result("coverage"))
    assert result.findings == [f"{path}: lines 100.0 %, branches 50.0 %; lines [], branches of lines [1]"]


def test_coverage_judge__assembly__is_left_out_and_counted() -> None:
    path = "contracts/src/market/SignedOrders.sol"
    (inside, *_) = coverage.assembly_lines((ROOT / path).read_text())
    file = coverage.File({1: 1, inside: 0}, {(1, "0.0"): 1, (inside, "0.0"): 0, (inside, "0.1"): 2})
    result = coverage.judge({path: file}, Result("coverage"))
    assert result.ok
    assert result.figures["branches %"] == 100.0
    assert (result.figures["assembly lines left out"], result.figures["assembly branches left out"]) == (1, 1)


def test_mutation_concerns__every_mutated_source__has_test_files() -> None:
    root = ROOT
    for path in mutants.own_sources(root):
        folder, _, pattern = mutation.tests_of(path).rpartition("/")
        names = [pattern]
        if "{" in pattern:
            before, _, rest = pattern.partition("{")
            inner, _, after = rest.partition("}")
            names = [before + name + after for name in inner.split(",")]
        assert all(list((root / folder).glob(name)) for name in names), path


def test_mutants__a_guard_and_a_sum__have_theirs() -> None:
    source = "    function f() external restricted {\n        if (a < b) revert Bad(a);\n        total += a;\n    }"
    found = {(mutant.operator, mutant.line, mutant.after.strip()) for mutant in mutants.mutants("A.sol", source)}
    assert ("modifier", 1, "function f() external  {") in found
    assert ("guard left out", 2, "") in found
    assert ("relation", 2, "if (a <= b) revert Bad(a);") in found
    assert ("assignment", 3, "total -= a;") in found
    assert ("statement left out", 3, "") in found


def test_mutants__comments_imports_and_errors__have_none() -> None:
    source = '    // a < b\nimport {A} from "./A.sol";\n    error Bad(uint256 a);\n    /// @dev a + b\n'
    assert list(mutants.mutants("A.sol", source)) == []


def test_mutant_apply__one_line__changes_only_that() -> None:
    mutant = mutants.Mutant("A.sol", 2, "relation", "b", "c")
    assert mutant.apply("a\nb\nd\n") == "a\nc\nd\n"


def test_mutation_sample__same_seed__same_mutants_of_every_contract() -> None:
    first, again, other = (mutation.sample(60, seed, "") for seed in (1, 1, 2))
    assert first == again != other
    assert {mutant.path for mutant in first} == {mutant.path for mutant in mutation.all_mutants("")}
