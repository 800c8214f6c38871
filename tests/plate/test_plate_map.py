"""Plate maps as people write them: tables of every dialect, an Incucyte's XML, contradictions."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.errors import PlateMapError
from livecount.plate import (
    SHEET_COLUMNS,
    Concentration,
    PlateMap,
    Role,
    Treatment,
    WellContents,
    contents_of,
    read_plate_map,
    sheet_rows,
    template_rows,
    wells_of_plate,
)

words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
concentrations = st.none() | st.builds(
    Concentration, st.floats(0, 1e12), st.sampled_from(["nM", "uM", "mM"])
)
contents = st.builds(
    WellContents,
    well=st.sampled_from(wells_of_plate(24)),
    cell_line=words,
    passage=words,
    seeding_density=words,
    treatments=st.lists(
        st.builds(Treatment, names, concentrations),
        max_size=3,
        unique_by=lambda treatment: treatment.name.casefold(),
    ).map(tuple),
    stated_group=words,
    role=st.sampled_from(Role),
)
maps = st.lists(contents, max_size=24, unique_by=lambda each: each.well).map(tuple)


def sheet(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "plate.csv"
    path.write_bytes(text.encode(encoding))
    return path


@given(maps)
def test_what_is_written_as_lines_is_read_back(wells: tuple[WellContents, ...]) -> None:
    plate_map = PlateMap(wells)
    lines = sheet_rows(plate_map)
    assert PlateMap(tuple(contents_of(line, "here") for line in lines)) == plate_map
    assert all(list(line) == list(lines[0]) for line in lines)


@given(st.floats(0, 1e9), st.sampled_from(["M", "mM", "uM", "nM", "pM"]))
def test_a_concentration_is_the_same_in_every_molar_unit(value: float, unit: str) -> None:
    given_ = Concentration(value, unit)
    back = given_.to("nM").to(unit)
    assert back.value == pytest.approx(value)
    assert given_.to("ng/ml") is None


def test_mass_and_activity_per_volume_convert_among_themselves() -> None:
    assert Concentration(1, "ug/ml").to("mg/l").value == pytest.approx(1)
    assert Concentration(5, "U/ml").to("mU/ul").value == pytest.approx(5)
    assert Concentration(5, "U/ml").to("IU/ml") is None
    assert Concentration(2, "Gy").to("Gy") == Concentration(2, "Gy")
    assert Concentration(2, "d").to("h") == Concentration(48, "h")
    assert Concentration(5, " \N{GREEK SMALL LETTER MU}mol/L").to("uM") == Concentration(5, "uM")


@pytest.mark.parametrize("unit", ["cells/well", "9**9**9", "((", "%%%", "a" * 100, "", "/", "m m"])
def test_a_unit_that_nobody_knows_is_comparable_with_itself_only(unit: str) -> None:
    assert Concentration(5, unit).to(unit) == Concentration(5, unit)
    assert Concentration(5, unit).to("nM") is None
    assert Concentration(5, "nM").to(unit) is None


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_an_impossible_concentration_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Concentration(value, "nM")


def test_german_excel_saves_what_is_read(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "Well;Cell line;Treatment;Concentration;Concentration unit;Role\r\n"
        "a01;HeLa;Nutlin-3;0,5;µM;\r\nA02;HeLa;DMSO;0,1;%;Control\r\nA03;;;;;\r\n",
        "cp1252",
    )
    first, second = read_plate_map(path).wells
    assert first == WellContents(
        "A1", cell_line="HeLa", treatments=(Treatment("Nutlin-3", Concentration(0.5, "uM")),)
    )
    assert second.role is Role.CONTROL


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('well,treatment,concentration\nA1,x,"1,000"\n', 1000),
        ('well,treatment,concentration,,\nA1,x,"12,500,000.5",,\n', 12_500_000.5),
        ("well;treatment;concentration\nA1;x;0,125\n", 0.125),
        ("well;treatment;concentration\nA1;x;1,5\n", 1.5),
        ("well;treatment;concentration\nA1;x;1.125\n", 1.125),
        ("well;treatment_2;concentration_2\nA1;x;1.5\n", 1.5),
    ],
)
def test_a_comma_is_what_the_table_lets_it_be(tmp_path: Path, text: str, value: float) -> None:
    (only,) = read_plate_map(sheet(tmp_path, text)).wells
    assert only.treatments == (Treatment("x", Concentration(value, "")),)


def test_the_template_is_a_map_of_nothing_until_it_is_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, SHEET_COLUMNS)
        writer.writeheader()
        writer.writerows(template_rows(wells_of_plate(96)))
    assert len(read_plate_map(path)) == 0
    text = path.read_text("utf-8-sig").replace(",H12,,", ",H12,,HeLa")
    assert [each.well for each in read_plate_map(sheet(tmp_path, text)).wells] == ["H12"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("well,cell_lime\nA1,HeLa\n", "Call it cell_line"),
        ("well,volume\nA1,3\n", "is not known"),
        ("cell_line\nHeLa\n", "no column 'well'"),
        ("well,group,group\nA1,a,b\n", "two columns 'group'"),
        ("well,cell_line\nA1,HeLa\na01,HeLa\n", "Well A1 is described twice"),
        ("well,cell_line\n,HeLa\n", "line 2 names no well"),
        ("well,role\nA1,contol\n", "Write control"),
        ("well,treatment,concentration\nA1,x,5 uM\n", "'5 uM' is no number"),
        ("well,treatment,concentration\nA1,x,-5\n", "0 or more"),
        ("well,treatment,concentration\nA1,x,nan\n", "0 or more"),
        ("well,treatment,concentration\nA1,,5\n", "of nothing"),
        ('well,treatment,concentration\nA1,x,"0,5"\n', "line 2: '0,5' is no number"),
        ('well,treatment,concentration\nA1,x,"1,00"\n', "line 2: '1,00' is no number"),
        ("well;treatment;concentration\nA1;x;1,000\n", "line 2: '1,000' may be 1.000 or 1000"),
        ("well\ttreatment\tconcentration\nA1\tx\t2,500\n", "may be 2.500 or 2500"),
        (
            "well;treatment;concentration\nA1;x;1.000\nA2;x;0,5\n",
            "line 2: '1.000' may be 1000, as '0,5' in line 3 has a decimal comma",
        ),
        (
            "well,treatment,concentration,concentration_unit,group\nA1,x,0,5,uM,\n",
            "line 2 has the number 5 as a unit",
        ),
        ("well,treatment,concentration\nA1,x,1\nA2,x,0,5\n", "line 3 has more cells than"),
        ("well,treatment,treatment_2\nA1,x,X\n", "names X twice"),
        ("well,plate,cell_line\nA1,,HeLa\nA2,P1,HeLa\n", "names no plate"),
        (
            "well,treatment,concentration,concentration_unit\nA1,x,5,uM\nA2,X,1,ug/ml\n",
            "uM in well A1 and in ug/ml in well A2",
        ),
        ('well,cell_line\nA1,"HeLa\n', "not CSV"),
        ("\0\0\0", "no table"),
        ("<plateMap><wellStore/>", "damaged"),
        ("<html/>", "no plate map of an Incucyte"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><plateMap/>', "no plate map of an Incucyte"),
        ('<plateMap><well row="99" col="0"/></plateMap>', "row 99"),
    ],
)
def test_a_wrong_map_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlateMapError) as raised:
        read_plate_map(sheet(tmp_path, text))
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert raised.value.hint
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlateMapError, match="cannot be read"):
        read_plate_map(tmp_path / "none.csv")


def test_the_guard_of_our_own_csv_is_taken_off_again(tmp_path: Path) -> None:
    (only,) = read_plate_map(sheet(tmp_path, "well,treatment\nA1,'=drug\n")).wells
    assert only.treatments == (Treatment("=drug"),)


def test_an_incucyte_map_gives_cells_compounds_and_conditions(tmp_path: Path) -> None:
    path = tmp_path / "a.PlateMap"
    path.write_text(
        """<?xml version="1.0" encoding="utf-8"?>
        <plateMap><wellStore><wells>
          <well row="0" col="0"/>
          <well row="1" col="11"><items>
            <wellItem type="CellType" passage="7" seedingDensity="4000" seedingDensityUnits="c/w">
              <referenceItem type="CellType" displayName="T98G"/></wellItem>
            <wellItem type="Compound" concentration="250" concentrationUnits="nM">
              <referenceItem type="Compound" displayName="TMZ" description="temozolomide"/>
            </wellItem>
            <wellItem type="GrowthCondition">
              <referenceItem type="GrowthCondition" displayName="hypoxia"/></wellItem>
          </items></well>
        </wells></wellStore></plateMap>""",
        encoding="utf-8",
    )
    (only,) = read_plate_map(path).wells
    assert only == WellContents(
        "B12",
        cell_line="T98G",
        passage="7",
        seeding_density="4000 c/w",
        treatments=(Treatment("TMZ", Concentration(250, "nM")), Treatment("hypoxia")),
    )


def drug(value: float, unit: str) -> tuple[Treatment, ...]:
    return (Treatment("drug", Concentration(value, unit)),)


def test_a_co_culture_keeps_all_its_cells_whatever_their_order(tmp_path: Path) -> None:
    path = tmp_path / "a.PlateMap"
    items = [
        """<wellItem type="CellType" passage="7" seedingDensity="4000" seedingDensityUnits="c/w">
          <referenceItem displayName="T98G"/></wellItem>""",
        """<wellItem type="CellType" seedingDensity="500" seedingDensityUnits="c/w">
          <referenceItem displayName="A549"/></wellItem>""",
    ]
    wells = [
        f'<well row="0" col="{column}"><items>{"".join(order)}</items></well>'
        for column, order in enumerate((items, items[::-1]))
    ]
    path.write_text(f"<plateMap>{''.join(wells)}</plateMap>", encoding="utf-8")
    for found in read_plate_map(path).wells:
        sown = (found.cell_line, found.passage, found.seeding_density)
        assert sown == ("A549 + T98G", "? + 7", "500 c/w + 4000 c/w")


def test_wells_of_the_same_contents_are_replicates_whatever_the_unit() -> None:
    first, second, blank, named = PlateMap(
        (
            WellContents("A1", cell_line="HeLa", treatments=drug(0.5, "uM")),
            WellContents("A2", cell_line="HeLa", treatments=drug(500, "nM")),
            WellContents("A3", role=Role.BLANK),
            WellContents("A4", cell_line="HeLa", stated_group="my own"),
        )
    ).wells
    assert first.group == second.group == "HeLa, drug 0.5 uM"
    assert (blank.group, named.group) == (None, "my own")


@pytest.mark.parametrize("unit", ["nM", "uM", "ug/ml", ""])
def test_a_dose_of_nothing_takes_the_unit_of_the_map(unit: str) -> None:
    wells = PlateMap(
        (
            WellContents("A1", cell_line="HeLa", treatments=drug(0, unit)),
            WellContents("A2", cell_line="HeLa", treatments=drug(0, "nM")),
            WellContents("A3", cell_line="HeLa", treatments=drug(5, "uM")),
        )
    ).wells
    assert [well.group for well in wells] == [
        "HeLa, drug 0 uM", "HeLa, drug 0 uM", "HeLa, drug 5 uM",
    ]  # fmt: skip
    only_nothing = [
        WellContents(f"A{n}", treatments=drug(0, of)) for n, of in ((1, unit), (2, "M"))
    ]
    assert {well.group for well in PlateMap(tuple(only_nothing)).wells} == {
        f"drug 0 {unit}".strip()
    }


def test_a_map_is_held_against_the_wells_that_appear() -> None:
    plate_map = PlateMap(
        (
            WellContents("A1", cell_line="HeLa"),
            WellContents("A2", cell_line="HeLa"),
            WellContents("H1", role=Role.BLANK),
        )
    )
    assert plate_map.problems([(None, "A1"), (None, "A02"), ("P1", "A1")]) == []
    assert plate_map.problems([]) == plate_map.problems([(None, None)]) == []
    assert plate_map.problems([("P1", "A1"), ("P1", "B7")]) == [
        "1 well with frames but no line in the map: B7 on plate P1",
        "1 well of the map without a frame yet: A2",
    ]
    (several,) = plate_map.problems([("P1", "A1"), ("P2", "A1"), ("P1", "A2")])
    assert "names no plate, but frames come from P1, P2" in several


def test_treated_cells_without_a_control_are_named() -> None:
    wells = [
        WellContents("A1", cell_line="HeLa", treatments=drug(1, "uM")),
        WellContents("A2", cell_line="MCF7", treatments=drug(1, "uM")),
        WellContents("A3", cell_line="MCF7", role=Role.CONTROL),
    ]
    assert PlateMap(tuple(wells)).problems([]) == ["no well is a control (column role) of HeLa"]
    assert PlateMap(tuple(wells)).unexpected([]) == []


def test_the_same_well_of_two_plates_holds_what_its_plate_says() -> None:
    plate_map = PlateMap(
        (WellContents("A1", "P1", cell_line="HeLa"), WellContents("A1", "P2", cell_line="MCF7"))
    )
    assert plate_map.plates == ("P1", "P2")
    assert plate_map.of("P2", "a1").cell_line == "MCF7"
    assert plate_map.of(None, "A1") is None
    one = PlateMap((WellContents("A1", "P1", cell_line="HeLa"),))
    assert one.of(None, "A1") is one.wells[0]
    assert one.of("P2", "A1") is None
