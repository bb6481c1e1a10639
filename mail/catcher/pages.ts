/* The pages of the mail catcher. They run no script, and everything of a mail is text. */

export type Shown = {
  id: number;
  from: string;
  to: string;
  replyTo: string;
  subject: string;
  text: string;
  at: Date;
  /** What was answered here, and what the apps made of it. */
  answers: { text: string; outcome: string }[];
};

const toHtml = (text: string): string => text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);

const outcomes: Record<string, string> = {
  taken: 'It is in the conversation or the timeline now.',
  opened: 'It has opened a conversation in Support.',
  unknown: 'No app knows the mail that it answers, and none takes one that answers nothing: MAIL_OPENS_WIDGET.',
  held: 'It is kept, and nothing was made of it: too many came within an hour.',
};

export const sayOutcome = (outcome: string): string => outcomes[outcome] ?? outcome;

const frame = (title: string, body: string, refresh = false): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh ? '<meta http-equiv="refresh" content="5">' : ''}
<title>${toHtml(title)}</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.25rem; }
a { color: light-dark(#0b57b0, #8ab8ff); }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid light-dark(#d5d9de, #3a4048); text-align: left; overflow-wrap: anywhere; }
pre { padding: .8rem; border: 1px solid light-dark(#d5d9de, #3a4048); border-radius: 6px; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
label { display: block; margin: .8rem 0 .2rem; font-weight: 600; }
input, textarea { width: 100%; box-sizing: border-box; padding: .45rem; font: inherit; }
button { margin-top: .8rem; padding: .45rem 1.2rem; font: inherit; }
.quiet { color: light-dark(#565d66, #a6adb7); }
.bad { color: light-dark(#a3161f, #ff9a9a); }
</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>`;

export function listPage(mails: readonly Shown[]): string {
  const rows = mails
    .map(
      ({ id, to, subject, at }) =>
        `<tr><td><a href="/mails/${id}">${toHtml(subject)}</a></td><td>${toHtml(to)}</td><td>${at.toTimeString().slice(0, 8)}</td></tr>`,
    )
    .join('\n');
  const table = `<table><thead><tr><th>Subject</th><th>To</th><th>Sent</th></tr></thead><tbody>${rows}</tbody></table>`;
  return frame(
    'Mails of this machine',
    `<h1>Mails of this machine</h1>
<p class="quiet">Every e-mail that Foundation and Support send arrives here, and nowhere else. Open one to answer it as the person who got it, or <a href="/write">write one to Support</a>.</p>
${mails.length === 0 ? '<p>None yet. Answer a visitor in Support whose tab is closed, or write an e-mail on a customer’s page.</p>' : table}`,
    true,
  );
}

export function answerPage(mail: Shown, fault?: string): string {
  const { id, from, to, subject, text, answers } = mail;
  const given = answers
    .map(
      (answer) =>
        `<pre>${toHtml(answer.text)}</pre><p class="quiet" role="status">${toHtml(sayOutcome(answer.outcome))}</p>`,
    )
    .join('\n');
  return frame(
    subject,
    `<p><a href="/">All mails</a></p>
<h1>${toHtml(subject)}</h1>
<p class="quiet">From ${toHtml(from)} to ${toHtml(to)}</p>
<pre>${toHtml(text)}</pre>
${given === '' ? '' : `<h2>Answered</h2>\n${given}`}
<form method="post" action="/mails/${id}/answer" enctype="multipart/form-data">
<label for="from">Answer as</label>
<input id="from" name="from" value="${toHtml(to)}">
<label for="text">Answer</label>
<textarea id="text" name="text" rows="6"></textarea>
${filesField}
${sayFault(fault)}
<button>Send the answer</button>
</form>`,
  );
}

const filesField = '<label for="files">Attachments</label>\n<input id="files" name="files" type="file" multiple>';
const sayFault = (fault: string | undefined) => (fault ? `<p class="bad" role="alert">${toHtml(fault)}</p>` : '');

/** A mail of somebody who writes first. */
export function writePage(fault?: string, outcome?: string): string {
  return frame(
    'Write an e-mail',
    `<p><a href="/">All mails</a></p>
<h1>Write an e-mail to Support</h1>
<p class="quiet">As somebody who writes to the address first, instead of answering.</p>
${outcome ? `<p role="status">${toHtml(outcome)}</p>` : ''}
<form method="post" action="/write" enctype="multipart/form-data">
<label for="from">From</label>
<input id="from" name="from" type="email" required>
<label for="subject">Subject</label>
<input id="subject" name="subject">
<label for="text">Text</label>
<textarea id="text" name="text" rows="6" required></textarea>
${filesField}
${sayFault(fault)}
<button>Send</button>
</form>`,
  );
}
