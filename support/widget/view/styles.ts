/** The panel's style. The host page's rules stay outside: the shadow root keeps them out, and `all: initial` resets inherited ones. */
export const styles = `
:host { all: initial }
* { box-sizing: border-box; margin: 0 }
.root {
  --ground: #ffffff; --raised: #f3f4f6; --line: #d9dce2; --text: #1b1f27; --quiet: #59616f; --bad: #b42318; --link: var(--accent-text-on-ground);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: var(--text);
  position: fixed; inset-block-end: 88px; inset-inline-end: 20px; inline-size: min(384px, calc(100vw - 40px)); block-size: min(640px, calc(100dvh - 112px));
  display: flex; flex-direction: column; background: var(--ground); border: 1px solid var(--line); border-radius: 16px; overflow: hidden;
  box-shadow: 0 12px 40px rgb(0 0 0 / .22); text-align: start; color-scheme: light;
}
.root[data-position=left] { inset-inline: 20px auto }
.root[data-dark] { --ground: #15181e; --raised: #232831; --line: #3a414d; --text: #eceef2; --quiet: #a6aebb; --bad: #ff8a7d; color-scheme: dark }
.root[hidden] { display: none }
button, input, textarea { font: inherit; color: inherit }
button { cursor: pointer; border: 0; background: none; border-radius: 10px; padding: 8px 12px }
:focus-visible { outline: 2px solid var(--text); outline-offset: 1px }
header { display: flex; gap: 12px; align-items: center; background: var(--accent); color: var(--on-accent); padding: 14px 16px }
header :focus-visible { outline-color: var(--on-accent) }
h2 { font-size: 16px; font-weight: 650 }
header p { font-size: 13px }
header > div { flex: 1; min-inline-size: 0 }
.icon { inline-size: 36px; block-size: 36px; padding: 8px; display: grid; place-items: center; flex: none }
.icon svg { inline-size: 20px; block-size: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round }
.thread { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px; display: flex; flex-direction: column; gap: 4px; list-style: none }
.thread:focus-visible { outline-offset: -3px }
.root:focus { outline: none }
.kept { list-style: none; padding: 0; display: flex; flex-direction: column; gap: 4px }
.row { display: flex; flex-direction: column; max-inline-size: 86%; align-self: flex-start }
.row.own { align-self: flex-end; align-items: flex-end }
.row + .row.first { margin-block-start: 10px }
.who { font-size: 12px; color: var(--quiet); padding: 0 4px 2px }
.tag { border: 1px solid currentColor; border-radius: 6px; padding: 0 5px; margin-inline-start: 5px; font-size: 11px }
.bubble { background: var(--raised); padding: 8px 12px; border-radius: 14px; white-space: pre-wrap; overflow-wrap: anywhere }
.own .bubble { background: var(--accent); color: var(--on-accent) }
.bubble a { color: inherit; text-decoration: underline }
.state { text-align: end; font-size: 12px; color: var(--quiet); padding: 2px 4px }
.state.bad { color: var(--bad) }
.state button { padding: 0 4px; text-decoration: underline; font-size: 12px; min-block-size: 24px }
.choices { display: flex; flex-wrap: wrap; gap: 6px; padding-block-start: 6px }
.choice { border: 1px solid var(--line); background: var(--ground); border-radius: 999px; padding: 6px 12px; text-align: start }
.choice:hover { background: var(--raised) }
.note { font-size: 13px; color: var(--quiet); padding: 8px 16px; border-block-start: 1px solid var(--line) }
.note.bad { color: var(--bad) }
.foot { border-block-start: 1px solid var(--line); padding: 10px; display: flex; gap: 8px; align-items: flex-end }
.over { flex-direction: column; align-items: stretch; gap: 12px; padding: 16px; text-align: center }
textarea { flex: 1; resize: none; border: 1px solid var(--line); border-radius: 12px; padding: 9px 12px; background: var(--ground); min-block-size: 42px; max-block-size: 140px; field-sizing: content }
.foot { flex-wrap: wrap }
.tray { inline-size: 100%; list-style: none; padding: 0; font-size: 13px }
.tray li { display: flex; gap: 6px; align-items: center }
.tray span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.tray .bad { color: var(--bad) }
.tray button { padding: 0 8px; min-block-size: 24px }
.foot > .error { inline-size: 100% }
.file { border: 1px solid var(--line); padding: 6px 12px; margin-block-start: 4px; overflow-wrap: anywhere; text-align: start; max-inline-size: 100%; align-self: flex-start }
.own .file { align-self: flex-end }
.file:has(canvas) { padding: 0; overflow: hidden; display: grid }
canvas { max-inline-size: 100% }
fieldset { border: 0; padding: 0; min-inline-size: 0 }
legend { font-weight: 600; padding: 0 0 8px; inline-size: 100% }
.rate { display: flex; flex-direction: column; gap: 10px }
.scores { display: flex; gap: 6px }
.scores label { flex: 1; position: relative; color: var(--text) }
.scores input { position: absolute; inset: 0; opacity: 0; inline-size: 100%; block-size: 100%; cursor: pointer }
.scores span { display: grid; place-items: center; block-size: 40px; border: 1px solid var(--line); border-radius: 10px; font-size: 15px }
.scores input:hover + span { background: var(--raised) }
.scores input:checked + span { background: var(--accent); color: var(--on-accent); border-color: var(--accent); font-weight: 700 }
.scores input:focus-visible + span { outline: 2px solid var(--text); outline-offset: 1px }
.ends { display: flex; justify-content: space-between; font-size: 12px; color: var(--quiet); padding-block-start: 4px }
.acts { display: flex; justify-content: flex-end; gap: 8px }
.go { background: var(--accent); color: var(--on-accent); border-color: var(--accent) }
.go[disabled] { opacity: .5; cursor: default }
.send { background: var(--accent); color: var(--on-accent); inline-size: 42px; block-size: 42px; border-radius: 12px }
.send[disabled] { opacity: .5; cursor: default }
.bar { display: flex; justify-content: center; padding: 6px 10px 10px; font-size: 13px; color: var(--quiet) }
.plain { border: 1px solid var(--line); font-size: 13px; padding: 5px 12px; min-block-size: 32px }
form.intro { padding: 16px; display: flex; flex-direction: column; gap: 12px; overflow-y: auto; flex: 1 }
label { display: flex; flex-direction: column; gap: 4px; font-size: 13px; color: var(--quiet) }
label input, label textarea { border: 1px solid var(--line); border-radius: 10px; padding: 9px 12px; background: var(--ground); color: var(--text); font-size: 15px }
.start { background: var(--accent); color: var(--on-accent); padding: 10px 16px; font-weight: 600 }
.error { color: var(--bad); font-size: 13px }
.dots { display: inline-flex; gap: 3px; margin-inline-start: 6px }
.dots i { inline-size: 5px; block-size: 5px; border-radius: 50%; background: var(--quiet); animation: blink 1.2s infinite }
.dots i:nth-child(2) { animation-delay: .2s } .dots i:nth-child(3) { animation-delay: .4s }
@keyframes blink { 0%, 60%, 100% { opacity: .25 } 30% { opacity: 1 } }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
@media (max-width: 480px) {
  .root, .root[data-position=left] { inset: 0; inline-size: 100vw; block-size: 100dvh; border: 0; border-radius: 0 }
  textarea, label input { font-size: 16px }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; scroll-behavior: auto !important } }
`;
