// Legend: bring one defense forward; pressed ones stay.
const forward = (figure, pointed) => {
  const entries = all(".legend li", figure);
  const names = entries
    .filter((one) => one === pointed || one.firstElementChild.getAttribute("aria-pressed") === "true")
    .map((one) => one.dataset.defense);
  for (const line of all(".series", figure)) {
    line.classList.toggle("back", names.length > 0 && !names.includes(line.getAttribute("data-defense")));
  }
};
addEventListener("click", (event) => {
  const press = event.target.closest?.(".legend button");
  if (!press) return;
  press.setAttribute("aria-pressed", String(press.getAttribute("aria-pressed") !== "true"));
  forward(press.closest(".curves"), null);
});
arrived.push((place) => {
  for (const entry of all(".legend li", place)) {
    entry.addEventListener("pointerenter", () => forward(entry.closest(".curves"), entry));
    entry.addEventListener("pointerleave", () => forward(entry.closest(".curves"), null));
  }
});
