// Build elements. Text stays text: no code of the page parses markup.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** An HTML element; attributes named on… are listeners, those without a value are left out. */
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace the children; the focus moves to the new element with the same data-key. */
export function fill(parent, ...children) {
  const focusKey = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...flat(children));
  if (focusKey !== undefined) parent.querySelector(`[data-key="${CSS.escape(focusKey)}"]`)?.focus();
}

/** The element that holds a panel's content. */
export function bodyOf(id) {
  return document.querySelector(`#${id} .body`);
}
