export { answerFile } from './answer.ts';
export { filesCodes } from './codes.ts';
export {
  type Files,
  type Owner,
  openFiles,
  refuseMissingFile,
  type SentFile,
  type StoredFile,
  sendFiles,
} from './files.ts';
export { type Given, type Taken, takeGiven } from './incoming.ts';
export { addFileRoutes } from './routes.ts';
export { fileIds, SentFileSchema } from './schemas.ts';
export { nameDownload } from './types.ts';
