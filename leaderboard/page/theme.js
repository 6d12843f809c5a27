// Theme: what the system prefers, until the reader chooses. Storage can be forbidden for local files.
const root = document.documentElement;
const themeButton = document.getElementById("theme");
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
const nameTheme = () => { themeButton.textContent = isDark() ? "Light theme" : "Dark theme"; };
const chosenTheme = stored();
if (chosenTheme === "dark" || chosenTheme === "light") root.dataset.theme = chosenTheme;
themeButton.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  stored(root.dataset.theme);
  nameTheme();
});
prefersDark.addEventListener("change", nameTheme);
nameTheme();
