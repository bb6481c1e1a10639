/** A part of an export: a file of its own, and a chapter of the page. */
export type Category = { name: string; title: string; words: string };

/** In the order in which a person reads them. platform.person_sources sorts the tables into them. */
export const categories: readonly Category[] = [
  {
    name: 'profile',
    title: 'Who you are to us',
    words: 'Your record as a customer, and what was noted in fields of our own.',
  },
  { name: 'addresses', title: 'Addresses and numbers', words: 'How we know to reach you, and what was removed.' },
  { name: 'deals', title: 'Deals', words: 'What was offered to you or bought by you.' },
  { name: 'contacts', title: 'Contacts at companies', words: 'Where you are noted as somebody’s colleague.' },
  { name: 'timeline', title: 'Timeline', words: 'What was done for you, and noted about it.' },
  {
    name: 'conversations',
    title: 'Conversations',
    words: 'Chats with us: what you wrote, what we answered, and what agents noted.',
  },
  {
    name: 'files',
    title: 'Files',
    words: 'Files in chats with us, and files that were noted with what was done for you.',
  },
  {
    name: 'mails',
    title: 'E-mails',
    words: 'E-mails that we sent you, and what was answered. What came is in the folder mails, as it came.',
  },
  { name: 'calls', title: 'Calls', words: 'Telephone calls with us.' },
  {
    name: 'merges',
    title: 'Records that are or may be you',
    words: 'Where two records were found to be one person, or asked to be.',
  },
  { name: 'imports', title: 'Imports', words: 'Lines about you in lists that came from other systems.' },
  { name: 'history', title: 'History', words: 'The log of changes of your data. It repeats much of the above.' },
  { name: 'staff', title: 'You as staff', words: 'Your account with us as a colleague, by the same address.' },
];
