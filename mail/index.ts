export { mailCodes, refuseFailing, refuseOff, refuseUnready } from './codes.ts';
export { describeLeft } from './left.ts';
export {
  type Answer,
  type Answered,
  type Keeper,
  type MailRoom,
  openMail,
  type Settled,
  type TakenFiles,
} from './mail.ts';
export { findFailing, isMailOn, listMails, type Mail, queueMail } from './queue.ts';
export { addMailRoutes, describeMail } from './routes.ts';
export { FailingSchema, MailSchema } from './schemas.ts';
export { readMailSettings } from './settings.ts';
export type { Attached } from './smtp.ts';
