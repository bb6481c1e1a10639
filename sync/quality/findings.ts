/** What can be wrong with the records. The database has the same list in sync.quality_numbers; a test compares them. */
export type FindingKind = {
  finding: string;
  group: FindingGroup;
  title: string;
  /** Why it is a fault, and what follows from it. */
  why: string;
  /** What is done here about one row. `link`: both customers or the record are shown, and a person decides in the app. */
  fix: 'repair' | 'address' | 'link';
  /** The words of the button, for a repair. */
  action?: string;
};

export const findingGroups = {
  duplicate: 'Duplicate customers',
  shared: 'Shared by many',
  orphan: 'Orphaned records',
  missing: 'Missing required fields',
  address: 'Addresses that cannot receive mail',
  drift: 'Stale projections',
  failed: 'Records that could not be looked at',
} as const;
export type FindingGroup = keyof typeof findingGroups;

export const findingKinds: FindingKind[] = [
  {
    finding: 'duplicate.address',
    group: 'duplicate',
    title: 'Addresses of one mailbox',
    why: 'Two customers have addresses that reach the same mailbox: they differ in a plus-tag, or in the dots of a Gmail address.',
    fix: 'link',
  },
  {
    finding: 'duplicate.phone',
    group: 'duplicate',
    title: 'The same telephone number',
    why: 'Two customers have the same number and extension. They may be one person, or share a line.',
    fix: 'link',
  },
  {
    finding: 'duplicate.person',
    group: 'duplicate',
    title: 'Likely the same person',
    why: 'Two customers have the same name, and the same company or the same domain of their own.',
    fix: 'link',
  },
  {
    finding: 'duplicate.claim',
    group: 'duplicate',
    title: 'An address that two customers claimed',
    why: 'One of them proved an unverified address of the other. Nobody has decided yet whether they are one person.',
    fix: 'link',
  },
  {
    finding: 'shared.phone',
    group: 'shared',
    title: 'A telephone number of many customers',
    why: 'More than twenty customers have the number, as that of a switchboard. It is no sign that two are one person, so it pairs nobody.',
    fix: 'link',
  },
  {
    finding: 'shared.mailbox',
    group: 'shared',
    title: 'A mailbox of many customers',
    why: 'More than twenty customers have addresses of one mailbox, which differ in a plus-tag. It pairs nobody.',
    fix: 'link',
  },
  {
    finding: 'orphan.child',
    group: 'orphan',
    title: 'Rows of a merged or erased customer',
    why: 'Rows still belong to a customer that was merged into another one, or erased. No list shows them.',
    fix: 'repair',
    action: 'Move to the survivor',
  },
  {
    finding: 'orphan.unadopted',
    group: 'orphan',
    title: 'Customers that the CRM has not adopted',
    why: 'A chat made the customer more than ten minutes ago, and Foundation has given it no number.',
    fix: 'repair',
    action: 'Adopt',
  },
  {
    finding: 'orphan.session',
    group: 'orphan',
    title: 'Conversations without an activity',
    why: 'The conversation has ended, and the timeline of its customer does not show it.',
    fix: 'repair',
    action: 'Add the activity',
  },
  {
    finding: 'orphan.activity',
    group: 'orphan',
    title: 'Activities without a source',
    why: 'The activity names a conversation, a call or a closing that does not exist.',
    fix: 'link',
  },
  {
    finding: 'missing.name',
    group: 'missing',
    title: 'Customers without a name',
    why: 'The name is only a placeholder, or the address once more.',
    fix: 'link',
  },
  {
    finding: 'missing.address',
    group: 'missing',
    title: 'Customers without an address',
    why: 'Somebody else proved the only address of this customer, so none is known.',
    fix: 'link',
  },
  {
    finding: 'missing.field',
    group: 'missing',
    title: 'Customers without a required field',
    why: 'A custom field is required, and the customer has no value for it: it was made in a chat, or before the field.',
    fix: 'link',
  },
  {
    finding: 'missing.company_field',
    group: 'missing',
    title: 'Companies without a required field',
    why: 'A custom field is required, and the company has no value for it: it was made before the field.',
    fix: 'link',
  },
  {
    finding: 'missing.deal_field',
    group: 'missing',
    title: 'Deals without a required field',
    why: 'A custom field is required, and the deal has no value for it: it was made before the field.',
    fix: 'link',
  },
  {
    finding: 'address.unreachable',
    group: 'address',
    title: 'Addresses that cannot receive mail',
    why: 'The address is well formed, but its domain is reserved or misspelt. Nothing was looked up: the text alone tells.',
    fix: 'address',
  },
  {
    finding: 'drift.address',
    group: 'drift',
    title: 'Primary address',
    why: 'The primary address in the list of addresses is not that of the customer’s record.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.phone',
    group: 'drift',
    title: 'Primary telephone number',
    why: 'The primary number in the list of numbers is not that of the customer’s record.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.number',
    group: 'drift',
    title: 'Numbers of the apps',
    why: 'The customer has a number of an app by which it is not found.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.order',
    group: 'drift',
    title: 'Order of the customer lists',
    why: 'The list of customers sorts by a tier or a time that the customer does not have.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.activity',
    group: 'drift',
    title: 'Last activity',
    why: 'The list of customers filters and sorts by a last activity that the timeline of the customer does not have.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.event',
    group: 'drift',
    title: 'Version and newest event',
    why: 'The newest event of the customer has another version than the customer: a reader of events may have an old copy.',
    fix: 'repair',
    action: 'Publish again',
  },
  {
    finding: 'drift.history',
    group: 'drift',
    title: 'History of the customer',
    why: 'An event that the history has passed is missing in it.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.stage',
    group: 'drift',
    title: 'Status and stage of deals',
    why: 'The status of the deal is not the outcome of its stage.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.closing',
    group: 'drift',
    title: 'Closings of deals',
    why: 'The deal has another status or time than the closing that counts.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.messages',
    group: 'drift',
    title: 'Counted messages',
    why: 'The conversation counts another number of messages than it has.',
    fix: 'repair',
    action: 'Repair',
  },
  {
    finding: 'drift.index',
    group: 'drift',
    title: 'Indexes',
    why: 'The index is not valid, or another version of ICU has sorted it: searches and lists may miss rows. `reindex` repairs it.',
    fix: 'link',
  },
  {
    finding: 'failed.customer',
    group: 'failed',
    title: 'Customers',
    why: 'The look at the record ended in an error: the scan went on behind it, and tries it again after ten minutes, then twenty, up to a day.',
    fix: 'link',
  },
  {
    finding: 'failed.match',
    group: 'failed',
    title: 'Customers that duplicates were sought for',
    why: 'The look at the record ended in an error: the walk went on behind it, and tries it again every ten minutes.',
    fix: 'link',
  },
  {
    finding: 'failed.company',
    group: 'failed',
    title: 'Companies',
    why: 'The look at the record ended in an error: the scan went on behind it, and tries it again after ten minutes, then twenty, up to a day.',
    fix: 'link',
  },
  {
    finding: 'failed.deal',
    group: 'failed',
    title: 'Deals',
    why: 'The look at the record ended in an error: the scan went on behind it, and tries it again after ten minutes, then twenty, up to a day.',
    fix: 'link',
  },
  {
    finding: 'failed.session',
    group: 'failed',
    title: 'Conversations',
    why: 'The look at the record ended in an error: the scan went on behind it, and tries it again after ten minutes, then twenty, up to a day.',
    fix: 'link',
  },
  {
    finding: 'failed.activity',
    group: 'failed',
    title: 'Activities',
    why: 'The look at the record ended in an error: the scan went on behind it, and tries it again after ten minutes, then twenty, up to a day.',
    fix: 'link',
  },
];

export const kindOf = (finding: string): FindingKind | undefined =>
  findingKinds.find((kind) => kind.finding === finding);

/** Why no mail can reach an address, in words: what sync.unreachable_because answers. */
export const unreachableReasons: Record<string, string> = {
  no_dot: 'its domain has no dot',
  example: 'its domain is reserved for examples',
  reserved: 'its domain ends in a word that is reserved and never delivered to',
  misspelt: 'its domain ends in a misspelt word',
};

/** What an error of the database is, by its SQLSTATE; of the others its class is named. */
const errorNames: Record<string, string> = {
  '40P01': 'it waited in a circle with another transaction',
  '55P03': 'somebody held a row of it for too long',
  '57014': 'it took longer than a look may take',
  XX001: 'its data on the disk is damaged',
  XX002: 'an index of it is damaged',
};

/** How the last activity that is kept differs from the timeline, in words: what sync.find_stale_activity answers. */
const staleActivities: Record<string, string> = {
  missing: 'the timeline has entries, and no last activity is kept',
  left: 'a last activity is kept, and there is nothing left that it could be',
  other: 'another last activity is kept than that of the timeline',
};

type Described = {
  finding: string;
  subject: string;
  subject_id: string;
  part: string;
  detail: Record<string, unknown>;
  address: string | null;
};

/** What is wrong with one row, in a sentence. Pure. */
export function describeFound({ finding, subject, subject_id, part, detail, address }: Described): string {
  switch (finding) {
    case 'address.unreachable':
      return `${address ?? 'the address'}: ${unreachableReasons[String(detail.because)]}`;
    case 'duplicate.person':
      return detail.because === 'company' ? 'the same name at the same company' : 'the same name at the same domain';
    case 'missing.field':
    case 'missing.company_field':
    case 'missing.deal_field':
      return `${subject} ${subject === 'customer' ? '' : subject_id} has no value for ${detail.label}`.replace(
        / {2,}/,
        ' ',
      );
    case 'shared.phone':
    case 'shared.mailbox':
      return `${Number(detail.customers).toLocaleString('en')}${Number(detail.customers) >= 10_000 ? '+' : ''} customers have it; this is one of them`;
    case 'failed.customer':
    case 'failed.match':
    case 'failed.company':
    case 'failed.deal':
    case 'failed.session':
    case 'failed.activity':
      return [
        `${subject} ${subject_id}: error ${detail.code}`,
        detail.in && ` in ${detail.in}`,
        errorNames[String(detail.code)] && `: ${errorNames[String(detail.code)]}`,
      ]
        .filter(Boolean)
        .join('');
    case 'orphan.child':
      return `${detail.rows} rows of ${part}; the customer was ${detail.because}`;
    case 'orphan.activity':
      return `activity ${subject_id} of type ${detail.type} names a ${detail.source} that does not exist`;
    case 'orphan.session':
      return `conversation ${subject_id}`;
    case 'drift.activity':
      return staleActivities[String(detail.because)] ?? String(detail.because);
    case 'drift.event':
      return `version ${detail.version}, and the newest event says ${detail.logged}`;
    case 'drift.number':
      return `not found by its number of ${part}`;
    case 'drift.history':
      return `event ${part} is missing`;
    case 'drift.stage':
      return `deal ${subject_id} is ${detail.status}, and its stage is ${detail.stage}`;
    case 'drift.closing':
      return `deal ${subject_id} is ${detail.status}, and its closing says ${detail.closing ?? 'nothing'}`;
    case 'drift.messages':
      return `conversation ${subject_id} counts ${detail.counted} messages and has ${detail.messages}`;
    case 'drift.index':
      return `${subject_id} ${detail.because === 'invalid' ? 'is not valid' : 'was sorted by another version of ICU'}`;
    default:
      return kindOf(finding)?.title ?? finding;
  }
}
