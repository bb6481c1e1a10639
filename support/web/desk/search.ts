import type { Priority } from '../api/acts.ts';
import type { View } from '../api/records.ts';
import { priorities } from './priorities.ts';

export const views: readonly View[] = ['mine', 'unassigned', 'all', 'bot', 'snoozed', 'ended'];

export const viewNames: Record<View, string> = {
  mine: 'Mine',
  unassigned: 'Unassigned',
  all: 'All open',
  bot: 'With the bot',
  snoozed: 'Snoozed',
  ended: 'Ended',
};

/** The search part of a conversation's address: the list from which it was opened. */
export type DeskSearch = {
  view?: View;
  search?: string;
  widget?: string;
  /** Id of a tag. */
  tag?: number;
  priority?: Priority;
  /** What is due first, instead of who waits longest. */
  order?: 'due';
  due?: Due;
} & Sought;
/** missed: a target of the team was missed. next: one is still to be met. */
export type Due = (typeof dues)[number];
export const dues = ['next', 'missed'] as const;
/** The message or the note to which the conversation scrolls. */
export type Sought = { message?: number; entry?: string };

export function readDeskSearch(given: Record<string, unknown>): DeskSearch {
  const { view, search, widget, tag, priority, order, due, message, entry } = given;
  const text = (value: unknown) => (['string', 'number'].includes(typeof value) ? String(value) : '');
  return {
    view: views.find((each) => each === view),
    search: text(search) || undefined,
    widget: text(widget) || undefined,
    tag: Number.isSafeInteger(Number(tag)) && Number(tag) > 0 ? Number(tag) : undefined,
    priority: priorities.find((each) => each === priority),
    order: order === 'due' ? order : undefined,
    due: dues.find((each) => each === due),
    message: Number.isSafeInteger(Number(message)) && Number(message) > 0 ? Number(message) : undefined,
    entry: text(entry) || undefined,
  };
}

/** A list as it is saved: in one order, so that two addresses of the same list are the same text. Pure. */
export function writeDeskSearch({ view = 'mine', search, widget, tag, priority, order, due }: DeskSearch): string {
  const given = Object.entries({ due, order, priority, search, tag, view, widget }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return new URLSearchParams(given).toString();
}
