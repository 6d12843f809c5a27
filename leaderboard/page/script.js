"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;
  root.classList.add("scripted");

  // Theme: what the system prefers, until the reader chooses. Storage can be forbidden for local files.
  const button = document.getElementById("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const stored = (value) => {
    try {
      if (value) localStorage.setItem("fflbench-theme", value);
      return localStorage.getItem("fflbench-theme");
    } catch {
      return null;
    }
  };
  const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  const chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    stored(root.dataset.theme);
    label();
  });
  prefersDark.addEventListener("change", label);
  label();

  // Sorting: rows without a value stay at the end either way; references never move.
  const key = (row, column) => {
    const cell = row.cells[column];
    if (column === 0) return row.dataset.defense.toLowerCase();
    return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
  };
  const sort = (table, column, way) => {
    const body = table.tBodies[0];
    const sign = way === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return a < b ? -sign : a > b ? sign : 0;
    });
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of all("table.sortable")) {
    const headings = all("thead tr:last-child th", table);
    headings.forEach((heading, column) => {
      const press = heading.querySelector("button");
      press.addEventListener("click", () => {
        const first = press.dataset.first === "up" ? "ascending" : "descending";
        const other = first === "ascending" ? "descending" : "ascending";
        const way = heading.getAttribute("aria-sort") === first ? other : first;
        headings.forEach((one) => one.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", way);
        sort(table, column, way);
      });
    });
  }

  // Filtering: every word must occur in the defense's name.
  const filter = document.getElementById("filter");
  const marked = all("[data-defense]");
  const names = new Set(marked.map((one) => one.dataset.defense || one.getAttribute("data-defense")));
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (name) => words.every((word) => name.toLowerCase().includes(word));
    for (const one of marked) one.toggleAttribute("hidden", !fits(one.getAttribute("data-defense")));
    const left = [...names].filter(fits).length;
    document.getElementById("filter-said").textContent = words.length ? `${left} of ${names.size} defenses shown` : "";
  });

  // A number's link opens its cell, which sits inside folded parts.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    target.scrollIntoView({ block: "start" });
    if (target.tagName === "DETAILS") target.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", open);
  addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("td a[href^='#cell-']");
    if (link && link.hash === location.hash) open();
  });
  open();

  // Legend: bring one defense forward; pressed ones stay.
  for (const figure of all(".curves")) {
    const entries = all(".legend li", figure);
    const show = (pointed) => {
      const forward = entries.filter((one) => one === pointed || one.firstElementChild.getAttribute("aria-pressed") === "true")
        .map((one) => one.dataset.defense);
      for (const line of all(".series", figure)) {
        const kept = !forward.length || forward.includes(line.getAttribute("data-defense"));
        line.classList.toggle("back", !kept);
      }
    };
    for (const entry of entries) {
      const press = entry.firstElementChild;
      press.addEventListener("click", () => {
        press.setAttribute("aria-pressed", String(press.getAttribute("aria-pressed") !== "true"));
        show(null);
      });
      entry.addEventListener("pointerenter", () => show(entry));
      entry.addEventListener("pointerleave", () => show(null));
    }
  }

  // On a narrow screen the plot starts where the good defenses are.
  for (const plot of all(".figure.scroll")) plot.scrollLeft = plot.scrollWidth;

  const json = document.getElementById("board-data").textContent;
  document.getElementById("download-json").href = `data:application/json;charset=utf-8,${encodeURIComponent(json)}`;
})();
