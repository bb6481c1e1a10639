import type { Tone } from '@aether/ui/Tag.tsx';
import type { Cluster, Member, Pair } from './queries.ts';
import type { PairState } from './search.ts';

export const stateWords: Record<PairState, { word: string; tone: Tone }> = {
  open: { word: 'Open', tone: 'accent' },
  unsure: { word: 'Not sure', tone: 'warn' },
  merged: { word: 'Merged', tone: 'good' },
  different: { word: 'Different', tone: 'plain' },
};

const sources: Record<string, string> = {
  detected: 'a customer who was made or changed',
  import: 'an import',
  verified_claim: 'the proof of an address',
  unmerged: 'a merge that was taken back',
  person: 'a person',
};

/** What brought a pair into the queue. Pure. */
export const saySource = ({ source, run }: Pick<Pair, 'source' | 'run'>): string =>
  source === 'import' && run !== null ? `import ${run}` : (sources[source] ?? source);

export const sourceChoices = Object.entries(sources).map(([value, label]) => ({ value, label }));

/** `97 %`; of a pair that no model has judged nothing. Pure. */
export function sayScore({ score, source }: Pick<Pair, 'score' | 'source'>): string {
  if (source === 'verified_claim' || source === 'person' || source === 'unmerged') return '–';
  return score > 0.99 ? '> 99 %' : `${Math.round(score * 100)} %`;
}

export type Mark = 'same' | 'differs' | 'one';
export type FieldRow = { label: string; values: string[]; mark: Mark | undefined };

const none = '–';

/** The fields of customers beside each other, each marked whether its values are the same. Fields that nobody has are left out. Pure. */
export function compareMembers(members: Member[], sayApp: (app: string) => string): FieldRow[] {
  const row = (label: string, read: (member: Member) => string | number | null | undefined, isCompared = true) => {
    const values = members.map((member) => {
      const value = read(member);
      return value === null || value === undefined || value === '' ? none : String(value);
    });
    const given = values.filter((value) => value !== none).map(plain);
    const kinds = new Set(given);
    const mark: Mark | undefined =
      !isCompared || given.length === 0 ? undefined : kinds.size > 1 ? 'differs' : given.length < 2 ? 'one' : 'same';
    return { label, values, mark };
  };
  return [
    row('Name', ({ name }) => name),
    row('Address', ({ has_address, email }) => (has_address ? email : null)),
    row(
      'All addresses',
      ({ addresses }) =>
        addresses.length > 1
          ? addresses.map(({ email, verified }) => (verified ? `${email} (verified)` : email)).join(', ')
          : null,
      false,
    ),
    row('Telephone', ({ phones }) => phones.join(', ')),
    row('Company', ({ company }) => company),
    row('Tier', ({ account_tier }) => account_tier),
    row('Account manager', ({ account_manager }) => account_manager),
    row('Language', ({ preferred_language }) => preferred_language),
    row('Time zone', ({ timezone }) => timezone),
    row('CRM number', ({ crm_id }) => crm_id, false),
    row('Support number', ({ support_id }) => support_id, false),
    row('Made by', ({ created_by_app }) => sayApp(created_by_app), false),
    row('Deals', ({ deals }) => countOf(deals), false),
    row('Conversations', ({ conversations }) => countOf(conversations), false),
    row('Activities', ({ activities }) => countOf(activities), false),
  ].filter(({ values }) => values.some((value) => value !== none));
}

const plain = (text: string) =>
  text
    .toLocaleLowerCase('en')
    .replaceAll(/[\s()/.-]+/g, ' ')
    .trim();
const countOf = (rows: number) => (rows === 0 ? null : rows >= 1000 ? '1,000+' : rows);

export type BridgeWords = { pair: string; left: string[]; right: string[]; text: string };

/** What joins a cluster only at one place, in words: `Ada King is joined to the rest only through Ada K.: the last name is the same.` Pure. */
export function sayBridges({ bridges, pairs, members }: Cluster): BridgeWords[] {
  const nameOf = (id: string) => members.find((member) => member.id === id)?.name ?? 'an unknown customer';
  return bridges.flatMap(({ pair: id, left, right }) => {
    const pair = pairs.find((each) => each.id === id);
    if (!pair) return [];
    const [small, large] = left.length <= right.length ? [left, right] : [right, left];
    const [inner, outer] = small.includes(pair.customer.id) ? [pair.customer, pair.other] : [pair.other, pair.customer];
    const side =
      small.length === 1 ? nameOf(small[0] as string) : `${small.map(nameOf).join(' and ')}, by ${inner.name},`;
    const because = pair.reasons[0] === undefined ? '' : `: ${pair.reasons.slice(0, 2).join(', ')}`;
    return [
      {
        pair: id,
        left: small,
        right: large,
        text: `${side} ${small.length === 1 ? 'is' : 'are'} joined to the rest only through ${outer.name}${because}.`,
      },
    ];
  });
}

const kinds: Record<string, string> = {
  deal: 'deal',
  conversation: 'conversation',
  note: 'note',
  call: 'call',
  task: 'task',
  support_session: 'support chat',
  support_call: 'support call',
};
/** The kind of an entry of a timeline. Pure. */
export const sayEntry = (what: string): string => kinds[what] ?? what.replaceAll('_', ' ');
