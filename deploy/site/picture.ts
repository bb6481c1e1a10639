/** Writes docs/pictures/tour.png, the moving picture of the README, of the pictures beside it. `npm run pictures` ends with it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../production/lock.ts';
import { animate } from './animation.ts';

const folder = join(root, 'docs', 'pictures');
/** The way of a customer: a chat, the record, the deal, the list, and what watches it all. */
const tour = ['support-conversation', 'customer', 'deals', 'customers', 'console-health'];
const frames = tour.map((name) => ({ name, png: readFileSync(join(folder, `${name}-light-wide.png`)) }));
writeFileSync(join(folder, 'tour.png'), animate(frames, 3));
