import { headingKey } from './headings.ts';
import type { Field } from './mapping.ts';
import type { Shape } from './shapes.ts';

/*
 * The exports that are recognised without being told. Headings alone do not decide, because they are labels: translated, renamed, in capitals
 * or not. Each format has marks: headings with a weight, and what its values look like. The format whose marks weigh most is meant,
 * if they weigh 1 or more.
 */

export type SeenColumn = { name: string; key: string; shape: Shape; samples: string[] };

/** What a row of a known format needs beyond the meaning of its columns. All names are heading keys. */
export type RowRules = {
  /** Rows that must not become a customer. */
  exclude?: { key: string; when: RegExp; code: string; reason: string }[];
  /** The company's id in a column, its name in a list of companies beside this source. */
  companyId?: string[];
  /** The owner's id in a column, the address in a list of users beside this source. */
  ownerId?: string[];
  /** A column that says whether the row's telephone number is one that several people share. */
  sharedPhone?: string;
  /** 15-character ids that are distinguished by capitals: they get the three characters that tell them apart without. */
  salesforceIds?: boolean;
  /** Cells begin with `* ` to mark the default. */
  starred?: boolean;
  /** Our own file: an apostrophe before what looks like a formula is no part of the text. */
  marksFormulas?: boolean;
};

export type Format = {
  id: string;
  label: string;
  /** What its rows are; a list of companies or users completes a list of people. */
  holds: 'people' | 'companies' | 'users';
  marks: Record<string, number>;
  values?: (columns: SeenColumn[]) => number;
  /** The meaning of its own columns, by heading key; null: never imported. Other columns are proposed by their heading and values. */
  columns: Record<string, Field | null>;
  rules: RowRules;
};

const keys = (text: string, weight: number): Record<string, number> =>
  Object.fromEntries(text.split('|').map((heading) => [headingKey(heading), weight]));
const meaning = (text: string, field: Field | null): Record<string, Field | null> =>
  Object.fromEntries(text.split('|').map((heading) => [headingKey(heading), field]));
const some = (columns: SeenColumn[], key: RegExp, value: RegExp): boolean =>
  columns.some(
    (column) => key.test(column.key) && column.samples.length > 0 && column.samples.every((cell) => value.test(cell)),
  );

const hubspotIds =
  'Record ID|Datensatz-ID|ID de registro|ID del registro|ID do registro|ID record|ID enregistrement|ID de l’enregistrement|ID d’enregistrement|Record-ID|Post-ID|レコードID|记录 ID|紀錄 ID|Tietueen tunnus|Identyfikator rekordu|ID rekordu';
const stages =
  /^(?:subscriber|lead|marketing ?qualified ?lead|sales ?qualified ?lead|opportunity|customer|evangelist|other)$/i;

/** Lead and customer are words of everybody; the compound names are HubSpot's own. */
const weighStages = (columns: SeenColumn[]): number => {
  const found = columns.find(({ samples }) => samples.length > 0 && samples.every((cell) => stages.test(cell)));
  if (!found) return 0;
  return found.samples.some((cell) => /qualified ?lead|evangelist/i.test(cell)) ? 0.8 : 0.35;
};

const salesforceMarks = {
  ...keys('isdeleted|masterrecordid|systemmodstamp', 0.4),
  ...keys('accountid|ownerid|createddate|createdbyid|lastmodifieddate|lastmodifiedbyid|reportstoid', 0.2),
  ...keys('id|lastname|firstname|mobilephone', 0.1),
};

export const formats: Format[] = [
  {
    id: 'aether',
    label: 'A file of customers from Foundation or Support',
    holds: 'people',
    marks: { ...keys('created_by_app|crm_id|support_id', 0.3), ...keys('other_emails|other_phones', 0.2) },
    columns: {
      ...meaning('other_emails', 'email'),
      ...meaning('other_phones', 'phone'),
      ...meaning('updated_at|created_by_app|crm_id|support_id', null),
    },
    rules: { marksFormulas: true },
  },
  {
    id: 'hubspot',
    label: 'HubSpot contacts',
    holds: 'people',
    marks: {
      ...keys(hubspotIds, 0.45),
      ...keys(
        'Additional email addresses|Merged Contact IDs|Weitere E-Mail-Adressen|Zusammengeführte Kontakt-IDs',
        0.5,
      ),
      ...keys(
        'Adresses e-mail supplémentaires|Direcciones de correo electrónico adicionales|追加のEメールアドレス',
        0.5,
      ),
      ...keys(
        'Associated Company|Associated Company IDs (Primary)|Associated Note|Associated Note IDs|Lifecycle Stage|Lead Status|Contact owner',
        0.3,
      ),
      ...keys(
        'Lifecycle-Phase|Lead-Status|Kontakt-Inhaber|Kontaktinhaber|Zuständiger Mitarbeiter|Zugeordnetes Unternehmen',
        0.3,
      ),
      ...keys(
        'Phase du cycle de vie|Statut du lead|Propriétaire du contact|Etapa del ciclo de vida|Estado del lead|Propietario del contacto',
        0.3,
      ),
      ...keys(
        'Fase del ciclo di vita|Stato del lead|Proprietario del contatto|Levenscyclusfase|Leadstatus|Eigenaar van contactpersoon',
        0.3,
      ),
      ...keys(
        'Fase do ciclo de vida|Status do lead|Proprietário do contato|ライフサイクルステージ|リードステータス|コンタクト担当者',
        0.3,
      ),
      ...keys(
        'Livscykelfas|Kontaktägare|Livscyklusfase|Kontaktejer|Elinkaaren vaihe|Kontaktin omistaja|Etap cyklu życia|Właściciel kontaktu',
        0.3,
      ),
      ...keys('生命周期阶段|联系人所有者|生命週期階段|連絡人擁有者', 0.3),
      ...keys(
        'Create Date|Erstelldatum|Erstellungsdatum|Date de création|Fecha de creación|Data di creazione|Aanmaakdatum|Data de criação|作成日',
        0.1,
      ),
    },
    // Headings can be renamed all; numbers that no row repeats in the first column and HubSpot's stages stay.
    values: (columns) => {
      const [first] = columns;
      const hasIds = first !== undefined && first.shape.integer === 1 && first.shape.distinct === first.shape.filled;
      return (hasIds ? 0.25 : -0.3) + weighStages(columns);
    },
    columns: {
      ...meaning(hubspotIds, 'id'),
      ...meaning(
        'Merged Contact IDs|Zusammengeführte Kontakt-IDs|Associated Company IDs (Primary)|Associated Company IDs|Associated Note',
        null,
      ),
      ...meaning('Additional email addresses', 'email'),
      ...meaning('Associated Company|Company name|Zugeordnetes Unternehmen', 'company'),
    },
    rules: {},
  },
  {
    id: 'salesforce',
    label: 'Salesforce contacts',
    holds: 'people',
    marks: salesforceMarks,
    values: (columns) =>
      some(columns, /^(?:contact )?id$/, /^(?:003|00Q)[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?$/) ? 0.7 : -0.7,
    columns: {
      ...meaning('id|contact id', 'id'),
      ...meaning('mailingcity', 'city'),
      ...meaning('ownerid', 'owner'),
      ...meaning(
        'isdeleted|masterrecordid|accountid|systemmodstamp|createdbyid|lastmodifiedbyid|reportstoid|recordtypeid',
        null,
      ),
    },
    rules: {
      exclude: [
        {
          key: 'masterrecordid',
          when: /\S/,
          code: 'merged',
          reason: 'Salesforce has merged this record into another one.',
        },
        { key: 'isdeleted', when: /^(?:1|true)$/i, code: 'deleted', reason: 'The record is deleted in Salesforce.' },
      ],
      companyId: ['accountid'],
      ownerId: ['ownerid'],
      salesforceIds: true,
    },
  },
  {
    id: 'salesforce-accounts',
    label: 'Salesforce accounts',
    holds: 'companies',
    marks: { ...salesforceMarks, ...keys('name|website|industry', 0.1) },
    values: (columns) => (some(columns, /^(?:account )?id$/, /^001[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?$/) ? 0.9 : -1),
    columns: { ...meaning('id', 'id'), ...meaning('name', 'company'), ...meaning('website', 'domain') },
    rules: {
      exclude: [
        { key: 'isdeleted', when: /^(?:1|true)$/i, code: 'deleted', reason: 'The record is deleted in Salesforce.' },
      ],
      salesforceIds: true,
    },
  },
  {
    id: 'salesforce-users',
    label: 'Salesforce users',
    holds: 'users',
    marks: { ...salesforceMarks, ...keys('username|alias|isactive|profileid', 0.2) },
    values: (columns) => (some(columns, /^(?:user )?id$/, /^005[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?$/) ? 0.8 : -1),
    columns: { ...meaning('id', 'id'), ...meaning('email', 'email'), ...meaning('username', null) },
    rules: { salesforceIds: true },
  },
  {
    id: 'zendesk',
    label: 'Zendesk users',
    holds: 'people',
    marks: {
      ...keys(
        'shared_phone_number|iana_time_zone|permanently_deleted|ticket_restriction|restricted_agent|only_private_comments',
        0.4,
      ),
      ...keys('organization_id|suspended|user_fields|default_group_id|custom_role_id|last_login_at', 0.25),
      ...keys('role|time_zone|locale|external_id|tags|active|shared|verified|details', 0.1),
      ...keys('restriction|brand', 0.25),
    },
    values: (columns) =>
      some(columns, /^role$/, /^(?:end.?user|agent|admin|light agent|legacy agent)$/i) ? 0.4 : -0.3,
    columns: {
      ...meaning('id', 'id'),
      ...meaning('iana_time_zone|time_zone', 'timezone'),
      ...meaning('locale', 'language'),
      ...meaning('notes|details', 'note'),
      ...meaning('organization', 'company'),
      ...meaning(
        'url|external_id|shared_phone_number|role|active|suspended|permanently_deleted|organization_id|alias|signature|photo',
        null,
      ),
    },
    rules: {
      exclude: [
        {
          key: 'role',
          when: /^(?:admin|.*agent|staff|owner)$/i,
          code: 'agent',
          reason: 'This is an agent of the support desk, no customer.',
        },
        {
          key: 'permanently deleted',
          when: /^(?:true|1)$/i,
          code: 'deleted',
          reason: 'The person is deleted in Zendesk.',
        },
        { key: 'active', when: /^(?:false|0)$/i, code: 'deleted', reason: 'The person is deleted in Zendesk.' },
      ],
      companyId: ['organization id'],
      sharedPhone: 'shared phone number',
    },
  },
  {
    id: 'zendesk-organizations',
    label: 'Zendesk organizations',
    holds: 'companies',
    marks: {
      ...keys('domain_names|shared_tickets|shared_comments|organization_fields', 0.5),
      ...keys('name|group_id|external_id', 0.1),
    },
    columns: { ...meaning('id', 'id'), ...meaning('name', 'company'), ...meaning('domain_names', 'domain') },
    rules: {},
  },
  {
    id: 'intercom',
    label: 'Intercom contacts',
    holds: 'people',
    marks: {
      ...keys(
        'workspace_id|has_hard_bounced|marked_email_as_spam|unsubscribed_from_emails|signed_up_at|last_contacted_at|last_replied_at',
        0.35,
      ),
      ...keys('last_seen_at|role|external_id|owner_id|type|custom_attributes|social_profiles|companies', 0.15),
      ...keys('First Seen|Last Seen|Signed up|User ID|Web sessions|Last contacted|Last heard from', 0.25),
    },
    values: (columns) => (some(columns, /^(?:role|type)$/, /^(?:user|lead|contact)$/i) ? 0.4 : 0),
    columns: {
      ...meaning('id', 'id'),
      ...meaning(
        'signed_up_at|updated_at|last_seen_at|external_id|user_id|owner_id|role|type|avatar|workspace_id',
        null,
      ),
      ...meaning('location.city|location_data.city_name|city', 'city'),
      ...meaning('location.timezone|location_data.timezone', 'timezone'),
      ...meaning('tags.data.name|tags.tags.name', 'tag'),
      ...meaning('companies.companies.name|companies.data.name|companies.name|company.name', 'company'),
    },
    rules: {},
  },
  {
    id: 'freshdesk',
    label: 'Freshdesk contacts',
    holds: 'people',
    marks: {
      ...keys('other_emails|view_all_tickets|unique_external_id|other_companies|preferred_source|csat_rating', 0.4),
      ...keys('twitter_id|company_id|facebook_id|deleted|job_title|first_name|visitor_id', 0.15),
      ...keys('mobile|active|language|time_zone', 0.1),
      ...keys('Full name', 0.15),
      ...keys('Can see all tickets from this company|Unique external id', 0.5),
    },
    columns: {
      ...meaning('id|contact id', 'id'),
      ...meaning('other_emails', 'email'),
      ...meaning('company.name|company', 'company'),
      ...meaning('description|about', 'note'),
      ...meaning('unique_external_id|twitter_id|company_id|active|deleted|view_all_tickets|avatar', null),
    },
    rules: {
      exclude: [
        { key: 'deleted', when: /^(?:true|1)$/i, code: 'deleted', reason: 'The contact is deleted in Freshdesk.' },
      ],
      companyId: ['company id'],
    },
  },
  {
    id: 'pipedrive',
    label: 'Pipedrive people',
    holds: 'people',
    marks: {
      ...keys('Person - Email - Work|Person - Email - Home|Person - Email - Other|Person - Email', 0.5),
      ...keys('Person - Phone - Work|Person - Phone - Mobile|Person - Phone', 0.4),
      ...keys(
        'Person - Name|Person - Organization|Person - Owner|Person - Label|Person - Person created|Person - ID',
        0.3,
      ),
      ...keys('Organization - Name|Deal - Title|Deal - Value', 0.2),
    },
    columns: {
      ...meaning('Person - ID', 'id'),
      ...meaning('Person - Name', 'name'),
      ...meaning('Person - First name', 'first_name'),
      ...meaning('Person - Last name', 'last_name'),
      ...meaning('Person - Email|Person - Email - Work|Person - Email - Home|Person - Email - Other', 'email'),
      ...meaning(
        'Person - Phone|Person - Phone - Work|Person - Phone - Home|Person - Phone - Mobile|Person - Phone - Other',
        'phone',
      ),
      ...meaning('Person - Organization|Organization - Name', 'company'),
      ...meaning('Person - Owner', 'owner'),
      ...meaning('Person - Label', 'tag'),
      ...meaning('Person - Person created|Person - Add time', 'created_at'),
      ...meaning('Person - Birthday', 'birth_date'),
      ...meaning('Note - Content', 'note'),
    },
    rules: {},
  },
  {
    id: 'zoho',
    label: 'Zoho contacts',
    holds: 'people',
    marks: {
      ...keys('Account Name.id|Contact Owner.id|Created By.id|Modified By.id|Vendor Name.id|Reporting To.id', 0.4),
      ...keys('Record Id|Secondary Email|Contact Owner|Account Name|Email Opt Out', 0.2),
    },
    values: (columns) => (some(columns, /^record id$/, /^(?:zcrm_)?\d{15,20}$/) ? 0.6 : 0),
    columns: {
      ...meaning('Record Id', 'id'),
      ...meaning('Account Name', 'company'),
      ...meaning('Contact Owner', 'owner'),
      ...meaning('Secondary Email', 'email'),
      ...meaning('Mailing City', 'city'),
      ...meaning('Tag', 'tag'),
      ...meaning(
        'Account Name.id|Contact Owner.id|Created By|Created By.id|Modified By|Modified By.id|Modified Time',
        null,
      ),
    },
    rules: { companyId: ['account name id'] },
  },
  {
    id: 'chatwoot',
    label: 'Chatwoot contacts',
    holds: 'people',
    marks: {
      ...keys('identifier', 0.45),
      ...keys('phone_number|labels|company_name|ip_address', 0.2),
      ...keys('id|name|email|company', 0.05),
    },
    columns: { ...meaning('id', 'id'), ...meaning('identifier|ip_address', null), ...meaning('labels', 'tag') },
    rules: {},
  },
  {
    id: 'google',
    label: 'Google contacts',
    holds: 'people',
    marks: {
      ...keys('E-mail 1 - Value|E-mail 1 - Label|E-mail 1 - Type', 0.5),
      ...keys('Phone 1 - Value|Phone 1 - Label|Phone 1 - Type', 0.4),
      ...keys(
        'Group Membership|Organization 1 - Name|Organization Name|Phonetic First Name|Given Name Yomi|Yomi Name|File As',
        0.15,
      ),
    },
    columns: {
      ...meaning('Organization Name|Organization 1 - Name', 'company'),
      ...meaning('Labels|Group Membership', 'tag'),
      ...meaning(
        'Additional Name|Middle Name|Name Prefix|Name Suffix|Nickname|File As|Yomi Name|Given Name Yomi',
        null,
      ),
      ...Object.fromEntries(
        [1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((place) => [
          [`e mail ${place} value`, 'email' as const],
          [`e mail ${place} type`, null],
          [`e mail ${place} label`, null],
          [`phone ${place} value`, 'phone' as const],
          [`phone ${place} type`, null],
          [`phone ${place} label`, null],
        ]),
      ),
      ...meaning('Website 1 - Value', 'domain'),
    },
    rules: { starred: true },
  },
  {
    id: 'outlook',
    label: 'Outlook contacts',
    holds: 'people',
    marks: {
      ...keys('E-mail Type|E-mail Display Name|E-mail 2 Address|E-mail 2 Type', 0.4),
      ...keys(
        "E-mail Address|Business Phone|Company Main Phone|Home Phone 2|Business Street|Assistant's Phone|Sensitivity",
        0.2,
      ),
      ...keys('E-Mail-Adresse|E-Mail-Typ|E-Mail: Angezeigter Name|Telefon geschäftlich', 0.4),
    },
    columns: {
      ...meaning('E-mail Address|E-mail 2 Address|E-mail 3 Address|E-Mail-Adresse|E-Mail 2: Adresse', 'email'),
      ...meaning(
        'Business Phone|Business Phone 2|Home Phone|Home Phone 2|Mobile Phone|Other Phone|Primary Phone|Telefon geschäftlich|Mobiltelefon',
        'phone',
      ),
      ...meaning(
        'E-mail Type|E-mail 2 Type|E-mail 3 Type|E-mail Display Name|E-mail 2 Display Name|E-Mail-Typ|E-Mail: Angezeigter Name',
        null,
      ),
      ...meaning('Company Main Phone', null),
      ...meaning('Business City|Home City', 'city'),
    },
    rules: {},
  },
  {
    id: 'dynamics',
    label: 'Dynamics 365 contacts',
    holds: 'people',
    marks: {
      ...keys('(Do Not Modify) Contact', 0.7),
      ...keys('(Do Not Modify) Row Checksum|(Do Not Modify) Modified On', 0.4),
    },
    // The first three columns are hidden, and their headings are translated; their values are not.
    values: ([id, checksum]) =>
      id?.shape.uuid === 1 && checksum && some([checksum], /./, /^[A-Za-z0-9+/]{40,}={0,2}$/) ? 1 : 0,
    columns: {
      ...meaning('(Do Not Modify) Contact', 'id'),
      ...meaning('(Do Not Modify) Row Checksum|(Do Not Modify) Modified On', null),
    },
    rules: {},
  },
  {
    id: 'vcard',
    label: 'An address book (vCard)',
    holds: 'people',
    marks: {},
    columns: {
      ...meaning('UID', 'id'),
      ...meaning('FN', 'name'),
      ...meaning('N.given', 'first_name'),
      ...meaning('N.family', 'last_name'),
      ...meaning('EMAIL', 'email'),
      ...meaning('TEL', 'phone'),
      ...meaning('ORG', 'company'),
      ...meaning('BDAY', 'birth_date'),
      ...meaning('ADR.city', 'city'),
      ...meaning('NOTE', 'note'),
      ...meaning('CATEGORIES', 'tag'),
      ...meaning('LANG', 'language'),
      ...meaning('TZ', 'timezone'),
      ...meaning('URL|TITLE|KIND', null),
    },
    rules: {
      exclude: [
        {
          key: 'kind',
          when: /^(?:group|org|organization|location|application|device)$/i,
          code: 'not-a-person',
          reason: 'The card is that of a group, an organisation or a place.',
        },
      ],
    },
  },
];

export type RecognisedFormat = { format: Format | undefined; weight: number };

/** The known format with these columns, if their headings and values are marks enough. */
export function recogniseFormat(columns: SeenColumn[]): RecognisedFormat {
  const present = new Set(columns.map((column) => column.key));
  const nested = columns.map((column) => column.key);
  let best: RecognisedFormat = { format: undefined, weight: 0 };
  for (const format of formats) {
    let weight = format.values?.(columns) ?? 0;
    for (const [key, mark] of Object.entries(format.marks))
      if (present.has(key) || nested.some((name) => name.startsWith(`${key} `) && mark >= 0.25 && key.length > 9))
        weight += mark;
    if (weight >= 1 && weight > best.weight) best = { format, weight };
  }
  return best;
}

export const formatOf = (id: string | null): Format | undefined => formats.find((format) => format.id === id);
