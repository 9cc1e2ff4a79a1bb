// The printable sheet: the browser's own printing. Without scripts the same is in its menu.

const print = document.getElementById("print");
print.hidden = false;
print.addEventListener("click", () => window.print());
