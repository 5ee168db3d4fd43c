import pytest

from genesis_audit import tests
from genesis_audit.files import SourceFile
from genesis_audit.language import language_of
from genesis_audit.static_tests import count_tests


def _count(path, text):
    return count_tests(SourceFile(path, len(text)), text, language_of(path))


@pytest.mark.parametrize(
    ("path", "text", "functions"),
    [
        ("test/app.js", "describe('app', function(){\n  it('a', function(){})\n  it.skip('b')\n  xit('c')\n})\n", 3),
        ("test/app.js", "for (const name of names) {\n  it(name, () => {})\n}\n", 1),
        ("test/acceptance/web.js", "test('a', t => {})\nt.test('b', t => {})\nQUnit.test('c', a => {})\n", 3),
        ("spec/app.mjs", "import test from 'node:test'\ntest(`a`, () => {})\nawait test('b', f)\n", 2),
        ("src/app.js", "describe('x', () => {\n  it('a', f)\n})\n", 1),
        ("web/a.test.tsx", "test.each`a`('b', f)\ntest.each([1, 2])('c', f)\n", 2),
        ("deno/a_test.ts", "Deno.test('a', f)\n", 1),
        ("a/FooTest.java", "class FooTest {\n  @Test\n  void a() {}\n  @ParameterizedTest\n  void b() {}\n}\n", 2),
        ("a/FooTest.java", "class FooTest extends TestCase {\n  public void testA() {\n  }\n}\n", 1),
        ("a/Foo.java", "class Foo {\n  void test() {}\n}\n", None),
        ("src/test/java/A.kt", "@Test fun a() {\n  testSomething()\n  items.map {\n    it.name\n  }\n}\n", 1),
        ("tests/runtest.sh", "#!/bin/sh\nexit 0\n", 1),
        ("test_docs.sh", "#!/bin/sh\nexit 0\n", None),
        ("tests/setup.sh", "#!/bin/sh\n", None),
        ("a/FooSpec.kt", 'class FooSpec : StringSpec({\n  "adds" {\n  }\n  test("b") {}\n})\n', 2),
        ("a/FooSuite.scala", 'class FooSuite extends FunSuite {\n  test("a") {}\n}\n', 1),
        ("a/FooSpec.scala", 'class FooSpec {\n  "A stack" should "pop" in {}\n}\n', 1),
        ("a_test.go", "func TestA(t *testing.T) {\nfunc BenchmarkB(b *testing.B) {\nfunc helper() {\n", 2),
        ("a.go", "func TestA(t *testing.T) {\n", None),
        (
            "src/lib.rs",
            "mod tests {\n    #[test]\n    fn a() {}\n    #[tokio::test(flavor)]\n    async fn b() {}\n}\n",
            2,
        ),
        ("src/lib.rs", "rgtest!(name, |dir: Dir| {});\n", 1),
        ("src/lib.rs", "fn a() {}\n", None),
        (
            "spec/a_spec.rb",
            "describe 'x' do\n  it 'a' do\n  end\n  it { is_expected.to eq 1 }\n  specify('c') {}\nend\n",
            3,
        ),
        ("test/a_test.rb", "def test_a\nend\ntest 'b' do\nend\nshould 'c' do\nend\n", 3),
        (
            "tests/ATest.php",
            "class A extends TestCase {\n  public function testA(): void {}\n  #[Test]\n  public function b() {}\n}\n",
            2,
        ),
        ("tests/A.php", "it('a', function () {});\n", 1),
        ("A.Tests/ATests.cs", '[Fact]\npublic void A() {}\n[Test, Category("x")]\n[TestCase(1)]\n[TestMethod]\n', 4),
        ("src/a_test.cc", "TEST(A, b) {\nTEST_F(A, c) {\nTYPED_TEST(A, d) {\n", 3),
        ("tests/a.cpp", 'TEST_CASE("a") {\nSCENARIO("b") {\n', 2),
        ("test.c", '    test("a: ");\n', 1),
        ("tests/check_a.c", "START_TEST(a)\n{\n", 1),
        ("test/a_test.exs", 'test "a" do\n  property "b" do\n', 2),
        ("Tests/AppTests/ATests.swift", "  func testA() {\n  @Test func b() {\n  func helper() {\n", 2),
        ("test/a_test.dart", "  test('a', () {});\n  testWidgets('b', (t) async {});\n", 2),
        ("test/a.bats", '@test "a" {\n', 1),
        ("tests/run.sh", "test_a() {\nhelper() {\n", 1),
        ("t/a.t", "ok(1);\nis(1, 1, 'a');\n", 2),
        ("spec/a_spec.lua", 'it("a", function() end)\n', 1),
        ("tests/testthat/test-a.R", 'test_that("a", {})\n', 1),
        ("test/runtests.jl", "@test f(1) == 1\n", 1),
        ("test/ASpec.hs", '  it "a" $ do\n', 1),
        ("a.zig", 'test "a" {\n', 1),
        ("test/core_test.clj", "(deftest a\n", 1),
        ("A.Tests.ps1", "It 'a' {\n", 1),
        ("features/a.feature", "  Scenario: a\n", 1),
        ("docs/example.js", "it('is documentation')\n", None),
        ("src/pattern.js", "re.test(text)\nif (re.test('a')) {}\n", None),
    ],
)
def test_tests_are_counted_whatever_the_framework(path, text, functions):
    found = _count(path, text)
    assert (found.functions if found else None) == functions


def test_a_mocha_project_with_its_tests_in_a_test_folder_has_tests(project, titles):
    project.write("package.json", '{"devDependencies": {"mocha": "10"}, "scripts": {"test": "mocha test/"}}')
    project.write("lib/app.js", "module.exports = 1\n")
    project.write("test/app.js", "describe('app', function () {\n  it('a', function () {})\n})\n")
    answer = tests.run(project.root)
    assert (answer["test_functions"], answer["frameworks"]) == (1, ["Mocha"])
    assert titles(answer) == []


def test_style_sheets_and_vendored_code_need_no_tests(project, titles):
    project.write("a.css", "a { b: c }\n")
    project.write("vendor/a.js", "x()\n")
    project.write("Makefile", "all:\n\ttrue\n")
    assert titles(tests.run(project.root)) == []


def test_unittest_in_a_test_folder_is_counted_whatever_its_name(project):
    project.write("tests/checks.py", "import unittest\n\nclass A(unittest.TestCase):\n    def test_a(self): pass\n")
    project.write("tests/helper.py", "def test_no(): pass\n")
    assert tests.run(project.root)["test_functions"] == 1


@pytest.mark.parametrize(
    ("text", "frameworks"),
    [
        ("require 'spec_helper'\nit 'a' do\n  expect(x).to eq 1\nend\n", ("RSpec",)),
        ("it 'a' do\n  x.must_equal 1\nend\n", ("Minitest",)),
        ("require 'minitest/autorun'\nit 'a' do\nend\n", ("Minitest",)),
        ("it 'a' do\n  assert_equal 1, x\nend\n", ("Minitest",)),
    ],
)
def test_minitest_blocks_are_told_from_rspec(text, frameworks):
    found = _count("spec/a_spec.rb", text)
    assert found is not None
    assert found.frameworks == frameworks


@pytest.mark.parametrize("name", [".mocharc.yml", "jest.config.js", "playwright.config.ts", "karma.conf.js"])
def test_a_frameworks_settings_name_it(project, name):
    project.write(name, "")
    expected = {".m": "Mocha", "je": "Jest", "pl": "Playwright", "ka": "Karma"}
    assert tests.run(project.root)["frameworks"] == [expected[name[:2]]]


@pytest.mark.parametrize(
    ("line", "frameworks"),
    [
        ("from unittest import mock", []),
        ("from unittest.mock import patch", []),
        ("import unittest.mock", []),
        ("from unittest import TestCase", ["unittest"]),
        ("import unittest", ["unittest"]),
    ],
)
def test_a_mock_is_no_framework(project, line, frameworks):
    project.write("tests/test_a.py", f"{line}\ndef test_a(): pass\n")
    assert tests.run(project.root)["frameworks"] == frameworks
