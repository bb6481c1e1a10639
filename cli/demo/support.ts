import { randomBytes } from 'node:crypto';
import type { PlatformDb, Transaction } from '@aether/platform';
import {
  addMessage,
  type BotRules,
  createChatbot,
  createTeam,
  endSession,
  findWidget,
  logCall,
  type NewCall,
  openSession,
  updateChatbot,
} from '@aether/support';
import { actAs, loadWorldChats } from './history.ts';
import { makeWorld } from './world.ts';

export const demoWidgetKey = 'aether-demo-shop';

type Chat = {
  email: string;
  name: string;
  agent: 'demo-priya' | 'demo-tom';
  /** Left out if the conversation is still open. */
  resolved?: boolean;
  lines: ['visitor' | 'agent', string][];
  /** The last answer went by e-mail, and what the visitor wrote then came back so. */
  isMailed?: boolean;
};

/** The conversations of the demo, some of them still open. */
const chats: Chat[] = [
  {
    email: 'kenji@tidewater.example',
    name: 'Kenji',
    agent: 'demo-priya',
    resolved: true,
    isMailed: true,
    lines: [
      ['visitor', 'Our robot stopped reporting after the update.'],
      ['agent', 'I see the gateway restarted at 06:10. Could you power-cycle unit 4?'],
      ['visitor', 'That fixed it, thank you!'],
    ],
  },
  {
    email: 'liam.doyle@brightwater.example',
    name: 'Liam Doyle',
    agent: 'demo-tom',
    resolved: false,
    lines: [
      ['visitor', 'Can two clinics share one number?'],
      ['agent', 'Not today. I have passed it on to our product team.'],
    ],
  },
  {
    email: 'hanna.virtanen@post.example',
    name: 'Hanna Virtanen',
    agent: 'demo-priya',
    lines: [
      ['visitor', 'Hello, do you ship to Finland?'],
      ['agent', 'We do! Which product are you looking at?'],
    ],
  },
  {
    email: 'nora@fjordlight.example',
    name: 'Nora',
    agent: 'demo-priya',
    lines: [
      ['visitor', 'The second control room shows no readings since this morning.'],
      ['visitor', 'Could somebody look before our board meets at noon?'],
    ],
  },
  {
    email: 'yusuf@saffron.example',
    name: 'Yusuf Demir',
    agent: 'demo-tom',
    lines: [['visitor', 'Which of the lamps can stand outside in the rain?']],
  },
];

const cannedAnswers = [
  ['hello', 'Greeting', 'Hello {{customer.name}}, this is {{agent.name}}. How can I help?'],
  ['shipping', 'Shipping times', 'We ship within two working days; to the Nordics it takes three to five days.'],
  ['returns', 'Returns', 'You can send anything back within 30 days. I have sent you the label by e-mail.'],
  ['wait', 'A moment', 'Let me look into this. It takes me about five minutes, and you need not stay.'],
  ['bye', 'Goodbye', 'Gladly! Write again whenever something comes up.'],
] as const;

/** The time, in days and minutes before now. */
const calls: { email: string; agent: Chat['agent']; ago: [days: number, minutes: number]; call: Partial<NewCall> }[] = [
  {
    email: 'nora@fjordlight.example',
    agent: 'demo-priya',
    ago: [1, 95],
    call: {
      number: '+47 22 12 34 56',
      outcome: 'follow-up',
      notes: 'Asked for the maintenance plan of both control rooms. Sends the serial numbers.',
      duration_seconds: 540,
    },
  },
  {
    email: 'yusuf@saffron.example',
    agent: 'demo-tom',
    ago: [3, 20],
    call: { direction: 'outbound', number: '+90 212 555 01 23', outcome: 'voicemail', duration_seconds: 40 },
  },
  {
    email: 'kenji@tidewater.example',
    agent: 'demo-priya',
    ago: [6, 240],
    call: {
      number: '+81 3 5550 0142',
      outcome: 'resolved',
      notes: 'The gateway needed a new certificate; it reports again.',
      duration_seconds: 1_260,
    },
  },
];

const botRules: BotRules = {
  greeting: 'Hello! I know about delivery, returns and lamps. What is it about?',
  questions: [
    {
      id: 'delivery',
      label: 'When does my parcel come?',
      keywords: ['delivery', 'parcel', 'shipping', 'ship', 'arrive', 'track'],
      answer: 'We ship within two working days. The mail with the tracking link has the day it arrives.',
      hand_over: false,
    },
    {
      id: 'returns',
      label: 'How do I send something back?',
      keywords: ['return', 'returns', 'refund', 'send back', 'broken', 'exchange'],
      answer:
        'Within 30 days, and we pay for it. Put the label from the parcel on the box and hand it in at any post office.',
      hand_over: false,
    },
    {
      id: 'company',
      label: 'We are a company and need many',
      keywords: ['company', 'quote', 'offer', 'wholesale', 'invoice', 'bulk'],
      answer: 'That is one for our people.',
      hand_over: true,
    },
  ],
  fallback: 'I did not understand that. Pick one of these, or talk to a person.',
  fallbacks_max: 2,
  hand_over_text: 'I am asking a person to join. Your messages are here when they come.',
  office_hours: null,
  out_of_hours_text: 'Nobody is here at the moment. Leave your question, and you will find the answer here.',
  translations: {
    de: {
      greeting: 'Hallo! Ich weiß etwas über Lieferung, Rückgabe und Lampen. Worum geht es?',
      fallback: 'Das habe ich nicht verstanden. Wählen Sie eines davon, oder sprechen Sie mit einem Menschen.',
      hand_over_text: 'Ich bitte jemanden dazu. Ihre Nachrichten sind da, wenn sie kommen.',
      questions: {
        delivery: {
          label: 'Wann kommt mein Paket?',
          keywords: ['lieferung', 'paket', 'versand'],
          answer:
            'Wir versenden innerhalb von zwei Werktagen. In der Mail mit dem Link zur Sendung steht der Tag der Ankunft.',
        },
        returns: {
          label: 'Wie schicke ich etwas zurück?',
          keywords: ['rückgabe', 'zurück', 'umtausch', 'kaputt'],
          answer:
            'Innerhalb von 30 Tagen, auf unsere Kosten. Kleben Sie das Etikett aus dem Paket darauf und geben Sie es bei der Post ab.',
        },
        company: { label: 'Wir sind eine Firma und brauchen viele', keywords: ['firma', 'angebot', 'rechnung'] },
      },
    },
  },
};

/** Support's part of the demo: agents, the shop's widget with its chatbot, canned answers, and conversations. */
export async function loadSupport(db: PlatformDb, tx: Transaction): Promise<void> {
  const agentIds = new Map<string, string>();
  for (const person of ['demo-priya', 'demo-tom']) {
    const [agent] = await tx.query<{ id: string }>(
      `insert into support.agents (user_id, availability) values ($1, 'online') returning id`,
      [person],
    );
    agentIds.set(person, (agent as { id: string }).id);
  }
  const settings = {
    theme: { color: '#0b6e6e' },
    texts: { title: 'Lumen & Oak', subtitle: 'We answer within minutes' },
    languages: ['de', 'fr'],
    choice: 'browser',
    translations: {
      de: { title: 'Lumen & Oak', subtitle: 'Wir antworten in wenigen Minuten' },
      fr: { title: 'Lumen & Oak', subtitle: 'Nous répondons en quelques minutes' },
    },
  };
  await tx.query(`insert into support.widgets (key, name, settings) values ($1, 'Demo shop', $2)`, [
    demoWidgetKey,
    JSON.stringify(settings),
  ]);
  const widget = await findWidget(tx, demoWidgetKey);
  await tx.query('insert into support.widget_secrets (widget_id, secret) values ($1, $2)', [
    widget.id,
    randomBytes(32).toString('base64url'),
  ]);
  for (const [shortcut, title, body] of cannedAnswers)
    await tx.query('insert into support.canned_answers (shortcut, title, body) values ($1, $2, $3)', [
      shortcut,
      title,
      body,
    ]);
  for (const { lines, resolved, agent, isMailed = false, ...visitor } of chats) {
    const { session_id } = await openSession(db, widget, visitor, { tx });
    for (const [index, [author, body]] of lines.entries()) {
      const agentId = author === 'agent' ? agentIds.get(agent) : undefined;
      const isByMail = isMailed && index === lines.length - 1;
      const mail = isByMail
        ? await answerByMail(tx, session_id, { ...visitor, asked: lines[index - 1]?.[1], body })
        : undefined;
      const message = { author, agentId, clientId: `demo-${index + 1}`, body, ...(mail && { mail }) };
      const added = await addMessage(tx, session_id, message);
      if (mail)
        await tx.query('update platform.received_mails set record_id = $2 where id = $1', [mail.id, added.message.id]);
    }
    if (resolved !== undefined) await endSession(db, session_id, { resolved, agentId: agentIds.get(agent) }, { tx });
  }
  for (const [index, { email, agent, ago, call }] of calls.entries()) {
    const [days, minutes] = ago;
    const given: NewCall = {
      client_id: `demo-call-${index + 1}`,
      direction: 'inbound',
      number: '',
      outcome: 'resolved',
      duration_seconds: 0,
      email,
      started_at: new Date(Date.now() - days * 86_400_000 - minutes * 60_000).toISOString(),
      ...call,
    };
    await logCall(db, tx, given, agentIds.get(agent) as string);
  }
  await loadWorldChats(tx, makeWorld(), widget.id, agentIds);
  await loadTeam(tx, agentIds);
  await mentionPriya(tx, agentIds.get('demo-tom') as string);
  const bot = await createChatbot(tx, { widget_id: widget.id, name: 'Lumi', rules: botRules });
  await updateChatbot(tx, bot.id, { is_live: true, expected_version: bot.version });
}

/** A team to look at. It answers no widget: the demo's conversations are everybody's, and agents take them themselves. */
async function loadTeam(tx: Transaction, agentIds: Map<string, string>): Promise<void> {
  const day: [string, string][] = [
    ['09:00', '12:00'],
    ['12:30', '17:00'],
  ];
  const year = new Date().getUTCFullYear();
  await createTeam(tx, {
    name: 'Lumen & Oak desk',
    assigning: 'least_open',
    open_max: 6,
    members: [
      { agent_id: agentIds.get('demo-priya') as string, languages: ['en', 'hi'] },
      { agent_id: agentIds.get('demo-tom') as string, languages: ['en', 'sv', 'nb'] },
    ],
    hours: {
      time_zone: 'Europe/Oslo',
      days: { mon: day, tue: day, wed: day, thu: day, fri: [['09:00', '15:00']] },
      holidays: [
        { date: `${year}-12-24`, name: 'Christmas Eve', hours: [['09:00', '12:00']] },
        { date: `${year}-12-25`, name: 'Christmas Day', hours: [] },
        { date: `${year + 1}-01-01`, name: 'New Year’s Day', hours: [] },
      ],
    },
    targets: {
      ...{ first_response: 60, resolution: 960, clock: 'office', warn_minutes: 15 },
      priorities: { urgent: { first_response: 10, resolution: 240 }, high: { first_response: 30 } },
    },
  });
}

/** The mail that had the agent's last answer, and the visitor's answer to it. @returns what their message says of it */
async function answerByMail(
  tx: Transaction,
  sessionId: string,
  { email, name, asked, body }: { email: string; name: string; asked: string | undefined; body: string },
) {
  const [sent] = await tx.query<{ id: string; token: string }>(
    `insert into platform.mails (record_id, to_address, first_number, last_number)
     select s.id, $2, s.message_count, s.message_count from support.sessions s where s.id = $1 returning id, token`,
    [sessionId, email],
  );
  const { id, token } = sent as { id: string; token: string };
  const messageId = `<${token}@aether.localhost>`;
  await tx.query(
    `update platform.mails set state = 'sent', tries = 1, message_id = $2, settled_at = clock_timestamp() where id = $1`,
    [id, messageId],
  );
  await tx.query(`insert into support.session_entries (session_id, kind, body) values ($1, 'mailed', $2)`, [
    sessionId,
    `1 message to ${email}`,
  ]);
  const raw = [
    `From: ${name} <${email}>`,
    `To: support+${token}@aether.localhost`,
    'Subject: Re: Your conversation with Demo shop',
    `In-Reply-To: ${messageId}`,
    'Content-Type: text/plain; charset=utf-8',
    '',
    body,
    '',
    '> ##- Please write your answer above this line -##',
    '>',
    `> ${asked ?? ''}`,
    '',
  ].join('\r\n');
  const [received] = await tx.query<{ id: string }>(
    `insert into platform.received_mails (mail_id, key, kind, from_address, subject, raw)
     values ($1, sha256($2), 'reply', $3, 'Re: Your conversation with Demo shop', $2) returning id`,
    [id, Buffer.from(raw), email],
  );
  return { id: (received as { id: string }).id, is_other: false, is_cut: false, attachments: 0 };
}

/** Tom mentions Priya in a note of a conversation. */
async function mentionPriya(tx: Transaction, tom: string): Promise<void> {
  await actAs(tx, 'demo-tom');
  await tx.query(
    `insert into support.session_entries (session_id, kind, agent_id, client_id, body)
     select s.id, 'note', $1, 'demo-note', '<@demo-priya> Finland is in the Nordic tariff since May. Three to five days.'
     from support.sessions s where s.visitor_email = 'hanna.virtanen@post.example' and s.status = 'active'`,
    [tom],
  );
}

/** The secret with which the demo shop signs the identity of its customers; undefined if its widget is gone. */
export async function readDemoSecret(db: PlatformDb): Promise<string | undefined> {
  const [found] = await db.query<{ secret: string }>(
    `select s.secret from support.widget_secrets s join support.widgets w on w.id = s.widget_id
     where w.key = $1 and (s.retires_at is null or s.retires_at > now()) order by s.created_at desc limit 1`,
    [demoWidgetKey],
  );
  return found?.secret;
}
