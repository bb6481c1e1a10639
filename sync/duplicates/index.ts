export { lookAt, walkPage } from './detection.ts';
export { trainModel } from './training.ts';
