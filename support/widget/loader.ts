import { textOn } from './chat/contrast.ts';
import { failureOf, wordsOf } from './chat/launcherwords.ts';
import type { Config } from './chat/server.ts';
import type { Launch, Launched } from './panel.tsx';

/** The name of the panel's file beside this one: inserted by the build. */
declare const __PANEL__: string;

/*
 * The script that a host page loads: it draws the button, and loads the panel when a visitor is about to use it. It leaves no global and
 * reads none of the page's. Styles pass neither in nor out: everything is inside a shadow root.
 */
const script = document.currentScript as HTMLScriptElement | null;
const key = script?.dataset.key;
if (script && key) begin(script, key).catch(() => {}); // without Support the page stays as it was

async function begin(script: HTMLScriptElement, key: string): Promise<void> {
  const base = new URL(script.src).origin;
  let identity = script.dataset.identity;
  let launched: Launched | undefined;
  document.addEventListener('aether:identify', (event) => {
    identity = String((event as CustomEvent).detail ?? '');
    launched?.identify(identity);
  });
  const { language } = script.dataset;
  const reads = new URLSearchParams({
    // What a page says may be no language at all.
    ...(language && /^[\w-]{1,35}$/.test(language) && { language }),
    // A page or an extension may have taken them away.
    browser: `${navigator.languages?.slice(0, 5) ?? ''}`.slice(0, 200),
  });
  const answer = await fetch(`${base}/api/widgets/${key}/config?${reads}`, { credentials: 'omit' });
  if (!answer.ok) return; // no such widget, or not for this page
  const config: Config = await answer.json();

  const host = document.createElement('aether-widget');
  host.style.cssText =
    'all:initial!important;position:fixed!important;inset:auto 0 0 auto!important;z-index:2147483000!important';
  const root = host.attachShadow({ mode: 'closed' });
  const sheet = new CSSStyleSheet();
  const { color, position } = config.theme;
  sheet.replaceSync(
    `:host{all:initial}.launcher{position:fixed;bottom:20px;${position}:20px;width:56px;height:56px;padding:0;border:0;border-radius:50%;cursor:pointer;background:${color};color:${textOn(color)};box-shadow:0 4px 16px rgb(0 0 0/.3)}.launcher:focus-visible{outline:3px solid ${color};outline-offset:3px}.launcher svg{width:28px;height:28px;fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}.launcher b{position:absolute;top:-4px;right:-4px;min-width:20px;padding:0 5px;box-sizing:border-box;border-radius:10px;background:#b42318;color:#fff;font:600 12px/20px system-ui,sans-serif}.launcher b[hidden]{display:none}.failed{position:fixed;bottom:84px;${position}:20px;max-width:220px;margin:0;padding:10px 12px;border-radius:8px;background:#fff;color:#1c2127;box-shadow:0 4px 16px rgb(0 0 0/.3);font:14px/1.4 system-ui,sans-serif}`,
  );
  root.adoptedStyleSheets = [sheet];
  const launcher = document.createElement('button');
  launcher.type = 'button';
  launcher.className = 'launcher';
  launcher.ariaLabel = wordsOf(config.language);
  launcher.ariaExpanded = 'false';
  const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  icon.setAttribute('viewBox', '0 0 24 24');
  icon.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', 'M4 5h16v11H9l-5 4z');
  icon.append(path);
  const badge = document.createElement('b');
  badge.hidden = true;
  badge.ariaHidden = 'true';
  launcher.append(icon, badge);
  root.append(launcher);
  document.body.append(host);

  const failure = document.createElement('p');
  failure.className = 'failed';
  failure.role = 'alert';
  let loading: Promise<Launched> | undefined;
  let failures = 0;
  const load = () => {
    const again = failures ? `?${failures}` : '';
    loading ??= import(/* @vite-ignore */ `${base}/widget/${__PANEL__}${again}`).then(
      (panel: { launch(parts: Launch): Launched }) => {
        failure.remove();
        launched = panel.launch({ root, launcher, badge, base, key, config, identity, language });
        return launched;
      },
    );
    loading.catch(() => {
      // The next press tries again, under another address: the browser remembers that this one failed, until the page is left.
      loading = undefined;
      failures += 1;
    });
    return loading;
  };
  launcher.onpointerenter = launcher.onfocus = () => {
    load().catch(() => {});
  };
  launcher.onclick = () => {
    load().then(
      (panel) => panel.open(launcher.ariaExpanded !== 'true'),
      () => {
        failure.textContent = failureOf(config.language);
        root.append(failure);
      },
    );
  };
  // A visitor with a conversation sees whether there is an answer, and their unsent messages are sent.
  try {
    if (Object.keys(localStorage).some((name) => name.startsWith(`aether:${key}`))) void load();
  } catch {}
}
