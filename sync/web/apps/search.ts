import { readTexts } from '../parts/words.ts';

/** In the URL of the apps: only this one. */
export type AppsSearch = { app?: string };
export const readAppsSearch = (given: Record<string, unknown>): AppsSearch => readTexts(given, ['app']);
