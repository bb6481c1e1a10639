/*
 * The order of the documents, by what a reader wants (Diátaxis): to learn, to get something done, to look something up, to understand. Every page of docs/
 * has one place here.
 */

export type Section = { title: string; about: string; pages: string[] };

/** Paths from the root, without `.md`. */
export const sections: Section[] = [
  {
    title: 'Begin',
    about: 'What it is, and a first hour with it.',
    pages: ['README', 'docs/tutorial'],
  },
  {
    title: 'How to',
    about: 'One task a page.',
    pages: [
      'docs/deploying',
      'docs/azure',
      'docs/doctor',
      'docs/pgbouncer',
      'docs/replicas',
      'docs/backup',
      'docs/signin',
      'docs/widget',
      'docs/import',
      'docs/export',
      'docs/duplicates',
      'docs/merging',
      'docs/quality',
      'docs/privacy',
      'docs/alerts',
      'docs/third-app',
      'docs/http',
      'docs/snippets',
      'docs/webhooks',
      'docs/companies',
      'docs/deals',
      'docs/tasks',
      'docs/reports',
      'docs/inbox',
      'docs/filters',
      'docs/selecting',
      'docs/teams',
      'docs/changes',
      'docs/search',
      'docs/files',
      'docs/email',
      'CONTRIBUTING',
    ],
  },
  {
    title: 'Look up',
    about: 'Settings, codes, names.',
    pages: ['docs/configuration', 'docs/error-codes', 'docs/access', 'docs/metrics', 'docs/bulk', 'CHANGELOG'],
  },
  {
    title: 'Understand',
    about: 'How it works, and why.',
    pages: [
      'ARCHITECTURE',
      'docs/events',
      'docs/servicebus',
      'docs/health',
      'docs/matching',
      'docs/console',
      'docs/support',
      'docs/benchmarks',
      'docs/scale',
    ],
  },
];

/** The pages that are made from the code: reference/pages.ts. */
export const reference = {
  title: 'Reference',
  about: 'Made from the code: every command, setting, route, event and export.',
};

/** Where runbooks are: each has the name of a check. */
export const runbooks = { title: 'Runbooks', about: 'What to do when a check is not well.', folder: 'docs/runbooks' };
