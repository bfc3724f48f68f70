() => {
  const named = (element) => element.getAttribute("aria-label") || document.getElementById(element.getAttribute("aria-labelledby"))?.textContent
    || element.querySelector(":scope > caption")?.textContent || (element.tagName === "BUTTON" && element.textContent.trim());
  return [...document.querySelectorAll("button, a, section, table, svg:not([aria-hidden])")]
    .filter((element) => !named(element) && !(element.tagName === "A" && element.textContent)).map((element) => element.outerHTML.slice(0, 120));
}
