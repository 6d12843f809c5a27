// Sorting: rows without a value stay at the end either way; references never move.
const sortKey = (row, column) => {
  if (column === 0) return row.dataset.defense.toLowerCase();
  const value = row.cells[column].dataset.sort;
  return value === undefined ? null : Number(value);
};
const sortRows = (table, column, way) => {
  const sign = way === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row, column), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return a < b ? -sign : a > b ? sign : 0;
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
};
addEventListener("click", (event) => {
  const press = event.target.closest?.("table.sortable thead button");
  if (!press) return;
  const table = press.closest("table");
  const heading = press.parentElement;
  const headings = all("thead tr:last-child th", table);
  const first = press.dataset.first === "up" ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const way = heading.getAttribute("aria-sort") === first ? other : first;
  headings.forEach((one) => one.setAttribute("aria-sort", "none"));
  heading.setAttribute("aria-sort", way);
  sortRows(table, headings.indexOf(heading), way);
});

// A heat map is one stop of the Tab key; arrows move inside it.
const shownLinks = (row) => all("td:not([hidden]) a", row);
arrived.push((place) => {
  for (const table of all("table.heat", place)) {
    all("td a", table).forEach((link, index) => { link.tabIndex = index ? -1 : 0; });
  }
});
addEventListener("keydown", (event) => {
  const link = event.target.closest?.("table.heat td a");
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!link || !step) return;
  const rows = all("tbody:not(.pinned) tr:not([hidden])", link.closest("table"));
  const row = link.closest("tr");
  const column = shownLinks(row).indexOf(link) + step[1];
  const next = shownLinks(rows[rows.indexOf(row) + step[0]] || row)[column];
  event.preventDefault();
  if (!next) return;
  link.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
