/** An XML element with text or children; attributes and child elements keep their order. */
export interface XmlElement {
  name: string;
  attributes: ReadonlyMap<string, string>;
  children: XmlElement[];
  text: string;
}

const entities: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);
const token =
  /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<!DOCTYPE[^>[]*>|<\/?([A-Za-z_][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+|</gy;

/**
 * The element called `rootName`, of the plain XML that tools print: elements, attributes, text, the five named
 * and the numeric entities. Null where it is not there.
 *
 * Tools print messages before, between and after the lines of their documents, and lose lines. So whatever is
 * no element is text of the element it stands in; a closing tag closes what is open within its element, and
 * one without an element is nothing; an element of `repeated` ends one of its name that is still open; what is
 * open at the end ends there. `strayText` tells what was no part of the document.
 */
export function parseXml(
  source: string,
  rootName: string,
  repeated: readonly string[] = [],
): XmlElement | null {
  const document: XmlElement = { name: '', attributes: new Map(), children: [], text: '' };
  const open = [document];
  const closeTo = (name: string) => {
    const at = open.findLastIndex((element) => element.name === name);
    if (at > 0) open.length = at;
  };
  token.lastIndex = 0;
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    const [whole, name, attributes = '', selfClosing] = match;
    if (name === undefined) {
      if (!/^<[?!]/.test(whole)) open.at(-1)!.text += decode(whole);
    } else if (whole.startsWith('</')) closeTo(name);
    else {
      if (repeated.includes(name)) closeTo(name);
      const element: XmlElement = { name, attributes: attributesOf(attributes), children: [], text: '' };
      open.at(-1)!.children.push(element);
      if (!selfClosing) open.push(element);
    }
  }
  const root = document.children.find((child) => child.name === rootName) ?? null;
  // What stands around the root is as stray as what stands between its elements.
  if (root !== null) root.text += `\n${document.text}`;
  return root;
}

/**
 * The first element reached by names from `element`: a child, or, where a lost line has moved it, the nearest
 * element below that is in none of `apart`.
 */
export function find(
  element: XmlElement,
  path: readonly string[],
  apart: readonly string[] = [],
): XmlElement | null {
  let current: XmlElement | undefined = element;
  for (const name of path) {
    let level: XmlElement[] = current === undefined ? [] : current.children;
    current = undefined;
    while (level.length > 0 && current === undefined) {
      current = level.find((child) => child.name === name);
      level = level.flatMap((child) => (apart.includes(child.name) ? [] : child.children));
    }
  }
  return current ?? null;
}

/** Lines of text between the elements of a document: messages, and not values. */
export function strayText(root: XmlElement): string[] {
  const linesOf = ({ text }: XmlElement) => text.split('\n').flatMap((line) => line.trim() || []);
  const within = (element: XmlElement): string[] =>
    element.children.length === 0 ? [] : [...linesOf(element), ...element.children.flatMap(within)];
  return [...linesOf(root), ...root.children.flatMap(within)];
}

function attributesOf(source: string): Map<string, string> {
  const pairs = source.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g);
  return new Map([...pairs].map(([, key, double, single]) => [key!, decode(double ?? single!)]));
}

/** An entity that XML does not define is text like any other. */
function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-fA-F]+)|(\w+));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities.get(name) ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
