/*
 * How many things wait, where somebody sees it who works in another tab: in the tab's title, on its icon, and on the icon of an installed app.
 */

const countShownMax = 99;
const size = 32;

let title: string | undefined;
let address: string | undefined;

/** `(3) Aether Support`. Pure. */
export const titleWith = (title: string, count: number): string =>
  count > 0 ? `(${count > countShownMax ? `${countShownMax}+` : count}) ${title}` : title;

/** Shows how many things wait; 0 takes the number away. */
export function showBadge(count: number): void {
  title ??= document.title;
  document.title = titleWith(title, count);
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  address ??= link.href;
  if (count > 0) void drawMark(address).then((drawn) => drawn && document.title !== title && setIcon(link, drawn));
  else setIcon(link, address);
  const app: { setAppBadge?: (count: number) => Promise<void> } = navigator;
  void app.setAppBadge?.(count).catch(() => {}); // there is none unless the app is installed
}

function setIcon(link: HTMLLinkElement, href: string): void {
  if (link.href !== href) link.href = href;
}

let drawing: Promise<string | undefined> | undefined;

/** The app's icon with a red dot; undefined where it cannot be drawn. It is drawn once. */
function drawMark(icon: string): Promise<string | undefined> {
  drawing ??= draw(icon).catch(() => undefined);
  return drawing;
}

async function draw(icon: string): Promise<string | undefined> {
  const image = new Image(size, size);
  image.src = icon;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: size, height: size });
  const pen = canvas.getContext('2d');
  if (!pen) return undefined;
  pen.drawImage(image, 0, 0, size, size);
  pen.fillStyle = '#fff';
  pen.beginPath();
  pen.arc(23, 9, 9, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = '#d6293e';
  pen.beginPath();
  pen.arc(23, 9, 7, 0, 2 * Math.PI);
  pen.fill();
  return canvas.toDataURL('image/png');
}
