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
export { addFileRoutes } from './routes.ts';
export { fileIds, SentFileSchema } from './schemas.ts';
