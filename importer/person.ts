/*
 * What the rooms of an import hand to each other: reading makes a Person of each row, matching groups persons, a run plans and writes them.
 * All text is as the source has it, NFC, without outer white space; nothing in it was changed without an entry in `remarks`.
 */

/** An address with the key that @aether/platform makes of it (platform/email.ts). */
export type PersonEmail = { address: string; key: string };

/** A telephone number with its parsed key (platform/phone.ts); `key` is null while no country is known to read it by. */
export type PersonPhone = { written: string; key: string | null; extension: string | null; isShared: boolean };

/** An employer. At least one of the three is given; `domain` is a registrable domain that is no shared host. */
export type PersonCompany = { externalId: string | null; name: string | null; domain: string | null };

/** Something that a reviewer must be able to see: which cell, what it said, what was made of it. `code` is a word of docs/import.md. */
export type CellRemark = { column: string; code: string; cell: string; message: string };

/** One person of a source, in canonical form. */
export type Person = {
  /** Where the row begins in its source, from 1: the physical line of a text file, the row of a sheet, the place in a list. */
  line: number;
  externalId: string | null;
  /** The first one is the primary one. */
  emails: PersonEmail[];
  /** The first one is the primary one. */
  phones: PersonPhone[];
  name: string | null;
  firstName: string | null;
  lastName: string | null;
  company: PersonCompany | null;
  city: string | null;
  /** YYYY-MM-DD */
  birthDate: string | null;
  tier: string | null;
  /** Of the person in the old app who looks after the customer: an address if it is one, else a name or id. */
  owner: string | null;
  language: string | null;
  timezone: string | null;
  createdAt: Date | null;
  tags: string[];
  notes: string[];
  /** By the key of a custom field. */
  custom: Record<string, string>;
  remarks: CellRemark[];
};

/** What a row of a source is. A row that cannot be read is rejected; one that must not become a customer (an agent, a deleted row) is excluded. */
export type ReadRow =
  | { kind: 'person'; line: number; raw: string; person: Person }
  | {
      kind: 'rejected' | 'excluded';
      line: number;
      raw: string;
      code: string;
      reason: string;
      /** Where `raw` cannot be written back as the same bytes (a line that is not valid in its encoding): those bytes. */
      bytes?: Uint8Array;
    };
