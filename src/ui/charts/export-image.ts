/** Pictures of what is on the page, as files. */

/** Properties of SVG elements that style sheets set here. */
const STYLES = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-opacity',
  'stroke-dasharray',
  'stroke-linejoin',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
  'text-anchor',
  'dominant-baseline',
  'display',
  'visibility',
] as const;

/** A copy that looks the same without the page's style sheets. */
function standalone(svg: SVGSVGElement): SVGSVGElement {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const copies = [copy, ...copy.querySelectorAll<SVGElement>('*')];
  for (const [i, from] of [svg, ...svg.querySelectorAll<SVGElement>('*')].entries()) {
    const style = getComputedStyle(from);
    const to = copies[i];
    if (to)
      to.setAttribute('style', STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(';'));
  }
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return copy;
}

export interface Picture {
  readonly svg: SVGSVGElement;
  readonly title: string;
}

const TITLE_HEIGHT = 24;
const GAP = 12;

/** Several pictures below each other in one, with their titles. */
export function svgText(pictures: readonly Picture[], surface: string, text: string): string {
  const ns = 'http://www.w3.org/2000/svg';
  const root = document.createElementNS(ns, 'svg');
  let y = 0;
  let width = 0;
  for (const { svg, title } of pictures) {
    const box = svg.getBoundingClientRect();
    const heading = document.createElementNS(ns, 'text');
    heading.setAttribute('x', '8');
    heading.setAttribute('y', String(y + 17));
    heading.setAttribute('style', `font:600 13px system-ui,sans-serif;fill:${text}`);
    heading.textContent = title;
    const copy = standalone(svg);
    copy.setAttribute('y', String(y + TITLE_HEIGHT));
    copy.setAttribute('width', String(box.width));
    copy.setAttribute('height', String(box.height));
    root.append(heading, copy);
    y += TITLE_HEIGHT + box.height + GAP;
    width = Math.max(width, box.width);
  }
  root.setAttribute('xmlns', ns);
  root.setAttribute('width', String(Math.ceil(width)));
  root.setAttribute('height', String(Math.ceil(y)));
  root.setAttribute('viewBox', `0 0 ${Math.ceil(width)} ${Math.ceil(y)}`);
  root.setAttribute('style', `background:${surface}`);
  return new XMLSerializer().serializeToString(root);
}

/** An SVG as pixels, on a surface. */
export async function svgToPng(svg: string, surface: string, scale = 2): Promise<Uint8Array<ArrayBuffer>> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  const ctx = canvas.getContext('2d');
  if (ctx) {
    ctx.fillStyle = surface;
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.drawImage(image, 0, 0, canvas.width, canvas.height);
  }
  return canvasToPng(canvas);
}

export async function canvasToPng(canvas: HTMLCanvasElement): Promise<Uint8Array<ArrayBuffer>> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) throw new Error('The browser makes no picture of this size.');
  return new Uint8Array(await blob.arrayBuffer());
}
