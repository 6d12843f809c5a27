// Filtering: every word must occur in the name of the defense, or of the attack.
const defenseFilter = document.getElementById("filter");
const attackFilter = document.getElementById("filter-attacks");
const namesOf = (attribute) => new Set(all(`[${attribute}]`).map((one) => one.getAttribute(attribute)));
const everyDefense = namesOf("data-defense");
const matcher = (input) => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length ? (name) => words.every((word) => name.toLowerCase().includes(word)) : null;
};
const show = (one, attribute, fits) => one.toggleAttribute("hidden", Boolean(fits) && !fits(one.getAttribute(attribute)));
const filterIn = (place) => {
  const defense = matcher(defenseFilter);
  const attack = matcher(attackFilter);
  for (const one of all("[data-defense]", place)) show(one, "data-defense", defense);
  for (const one of all("figure[data-attack]", place)) show(one, "data-attack", attack);
  for (const table of all("table.heat", place)) {
    const headings = all("thead tr:last-child th", table);
    headings.forEach((heading, column) => {
      if (!heading.dataset.attack) return;
      show(heading, "data-attack", attack);
      for (const row of all("tbody tr", table)) row.cells[column].hidden = heading.hidden;
    });
    for (const groups of all("tr.groups", table)) groups.hidden = Boolean(attack);
  }
};
const filterAll = () => {
  filterIn(document);
  const fits = matcher(defenseFilter);
  const left = fits ? [...everyDefense].filter(fits).length : 0;
  document.getElementById("filter-said").textContent = fits ? `${left} of ${everyDefense.size} defenses shown` : "";
};
defenseFilter.addEventListener("input", filterAll);
attackFilter.addEventListener("input", filterAll);
arrived.push(filterIn);
