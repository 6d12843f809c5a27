// A number's link opens the runs behind it; so does a link to them from elsewhere.
const cellDialog = document.getElementById("cell");
const compareDialog = document.getElementById("compare");
const openCell = async () => {
  const [, task] = /^#cell-([pr]\d+)-\d+-\d+$/.exec(location.hash) || [];
  if (!task || !(await put(cellDialog.querySelector(".inside"), task, location.hash.slice(1)))) {
    cellDialog.close();
    return;
  }
  if (!cellDialog.open) cellDialog.showModal();
  cellDialog.scrollTop = 0;
};
addEventListener("hashchange", openCell);
cellDialog.addEventListener("close", () => {
  if (location.hash.startsWith("#cell-")) history.replaceState(null, "", location.pathname + location.search);
});
for (const dialog of [cellDialog, compareDialog]) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
}
