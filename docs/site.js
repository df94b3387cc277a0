// Material's drawer, search and sections are labels of hidden checkboxes, which no key reaches: they become buttons.
document$.subscribe(() => {
  for (const label of document.querySelectorAll("label[for^=__drawer], label[for^=__search], label[for^=__nav]")) {
    if (label.classList.contains("md-overlay")) continue; // a click beside the drawer; Escape and the button do the same
    label.tabIndex = 0;
    label.setAttribute("role", "button");
    if (!label.textContent.trim()) label.ariaLabel = label.htmlFor === "__search" ? "Search" : "Menu";
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      label.click();
    });
  }
});
