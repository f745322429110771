package bounce

import (
	"mime"
	"slices"
	"strings"

	"github.com/sealist/sealist/smime/entity"
)

// The words of mail systems, in lower case. Each is common to several of them.
var (
	// bounceSubjects begin, or are, the Subject of a bounce.
	bounceSubjects = []string{
		"undeliver", "returned mail", "returned to sender", "returning message", "failure notice", "delivery status", "delivery failure", "delivery failed",
		"delivery has failed", "delivery error", "delivery notification", "delivery report", "delivery problem", "mail failure", "mail system error", "mail delivery",
		"non delivery", "nondeliver", "non-deliver", "not delivered", "could not be delivered", "couldn't be delivered", "failed delivery", "message delivery",
		"error sending your mail", "warning: could not send", "delayed mail", "delivery delayed", "unzustellbar", "nicht zugestellt", "non remis", "échec de la remise",
		"non délivré", "no se ha podido entregar", "no se puede entregar", "no entregado", "devuelto", "mancato recapito", "non recapitabile", "não entregue", "não foi possível entregar",
		"niet bezorgd", "onbestelbaar", "не доставлено", "не удалось доставить", "недоставлен", "配信不能", "配信エラー", "送信エラー", "メールエラー", "送信できませんでした",
		"退信", "投递失败", "传输失败", "发送失败", "无法投递", "系统退信", "failed mail", "failure delivery", "mail failed", "could not deliver", "user unknown", "undelivered", "niedostarcz", "nedoručiteln", "nie można dostarczyć", "kan inte levereras", "kunde inte levereras", "teslim edilemedi",
	}
	// failureWords say that a message did not arrive.
	failureWords = []string{
		"undeliver", "not be delivered", "n't be delivered", "not delivered", "n't delivered", "unable to deliver", "able to deliver your message", "could not deliver", "failed to deliver",
		"unable to send", "could not send", "could not be sent", "deliver the mail to", "delivering your mail", "delivering your message", "delivering the following",
		"delivery failed", "delivery failure", "delivery has failed", "delivery to the following", "delevery to the following", "delivery error", "delivery problem", "failed permanently",
		"returned mail", "returning message", "did not reach", "fatal error", "permanent error", "permanent failure", "permanently rejected", "attempting to deliver", "trouble delivering",
		"user unknown", "unknown user", "no such user", "no such person", "unknown recipient", "recipient unknown", "invalid recipient", "no valid recipients", "invalid address",
		"invalid user", "address not found", "not found", "recipient name is not recognized", "not listed in", "mailbox is full", "mailbox full", "mailbox unavailable", "over quota", "quota exceeded",
		"exceeded the local limit", "exceed", "address rejected", "recipient rejected", "rejected recipient", "was rejected", "mail rejected", "message rejected", "host unknown", "unknown host", "host not found", "domain not found",
		"does not exist", "doesn't exist", "failure reason", "rejected by a remote", "did not like", "does not like", "smtp error", "group you tried to contact", "is not accepting", "not accepted",
		"did not exactly match", "not receive your message", "did not receive this message", "quota violation", "disk quota", "exceeding their quota", "could not find a gateway", "not be reached", "can't be reached", "mail loop", "too many hops", "duplicated message-id", "access denied", "aborted after", "server message", "cannot send", "disabled",
		"unzustellbar", "nicht zugestellt", "konnte nicht", "n'a pas pu être", "n'a pas été remis", "non remis", "échec de la remise", "no se ha podido entregar", "no se pudo entregar",
		"no se ha entregado", "non è stato possibile", "impossibile recapitare", "não pôde ser entregue", "não foi entregue", "não foi possível", "niet worden bezorgd", "niet worden afgeleverd",
		"не может быть доставлено", "не доставлено", "не удалось доставить", "не было доставлено", "送信できません", "配信できません", "送信に失敗", "届けることができません", "宛先不明",
		"无法投递", "投递失败", "退信", "无法送达", "nie można dostarczyć", "nie może zostać dostarczona", "nelze doručit", "kunde inte levereras", "teslim edilemedi",
	}
	// delayWords say that it is still being tried.
	delayWords = []string{
		"warning message only", "do not need to resend", "don't need to resend", "has been delayed", "have been delayed", "is delayed", "are delayed", "been delayed", "will be retried", "will retry", "will continue to try", "will keep trying",
		"keep trying", "still being retried", "will be tried again", "not been delivered yet", "not yet been delivered", "has not yet been", "could not be delivered for more than", "delivery attempts will continue",
		"delivery attempts will be made", "queued for", "wird weiterhin versucht", "encore essayer", "se seguirá intentando", "bude pokračovat",
	}
	// finalWords contradict delayWords: the latter are quoted, or were said before.
	finalWords = []string{
		"this is a permanent error", "i've given up", "permanent fatal error", "failed permanently", "no further delivery attempts", "will not be retried", "gave up", "giving up on", "not going to try again",
	}
	// returnedMarks stand before a returned message in a text.
	returnedMarks = []string{
		"original message", "copy of the message", "copy of your message", "copy of the original", "copy of the mail", "unsent message", "returned message", "message headers follow", "header of the original",
		"headers of the original", "message header", "message text follows", "message follows", "original mail", "original headers", "original-message", "returned mail follows", "including all the headers",
		"the body of", "ursprüngliche nachricht", "原信", "元のメッセージ", "message d'origine", "mensaje original", "non-delivered message", "undelivered message", "begin message", "----- message",
	}
	// headerNames are fields of which a returned header has several.
	headerNames = []string{
		"received", "return-path", "message-id", "mime-version", "date", "from", "to", "subject", "content-type", "dkim-signature", "x-mailer", "content-transfer-encoding", "delivered-to", "sender", "user-agent",
		"x-received", "x-google-smtp-source", "arc-seal", "reply-to", "authentication-results",
	}
	// traceFields begin a returned header, where nothing announces it.
	traceFields = []string{"received:", "return-path:", "delivered-to:", "dkim-signature:", "x-received:", "arc-seal:"}
	// replySubjects begin the Subject of a vacation notice.
	replySubjects = []string{
		"automatic reply", "auto reply", "auto-reply", "autoreply", "autorespon", "auto response", "auto:", "out of office", "out of the office", "away until", "away from", "vacation", "on holiday", "abwesen", "automatische antwort",
		"réponse automatique", "absence", "respuesta automática", "fuera de", "risposta automatica", "resposta automática", "automatisch antwoord", "автоответ", "自動返信", "自動応答", "自动回复", "autosvar",
	}
)

// guesses are what words stand for where there is no code, the surest first.
var guesses = []struct {
	status Status
	words  []string
}{
	{"5.2.2", []string{"mailbox is full", "mailbox full", "mailbox was full", "over quota", "quota exceeded", "exceeded the local limit", "exceeded storage", "exceeded its quota", "quotaexceeded", "exceeded your quota", "メールボックスが一杯", "mailbox size limit", "disk quota", "quota violation", "exceeding their quota", "out of storage", "postfach voll", "boîte pleine", "buzón lleno", "переполнен"}},
	{"5.1.1", []string{"user unknown", "unknown user", "no such user", "no such person", "unknown recipient", "recipient unknown", "recipient name is not recognized", "not listed in", "invalid recipient", "no valid recipients",
		"invalid user", "invalid address", "user does not exist", "mailbox does not exist", "account does not exist", "doesn't exist", "address not found", "wasn't found at", "possibly incorrect", "no mailbox here", "no user by that name", "did not exactly match", "invalid final delivery userid", "mailbox unavailable", "user not found", "recipient not found",
		"unbekannter empf", "utilisateur inconnu", "usuario desconocido", "utente sconosciuto", "пользователь не найден", "宛先不明", "见つかりません", "用户不存在"}},
	{"5.1.2", []string{"host unknown", "unknown host", "host not found", "domain not found", "unrouteable", "unroutable", "name service error", "couldn't find any host", "bad destination", "could not find a gateway"}},
	{"5.2.1", []string{"is disabled", "account disabled", "been disabled", "inactive", "suspended"}},
	{"5.3.4", []string{"message too large", "message too big", "exceeds the maximum message size", "size limit"}},
	{"5.4.6", []string{"too many hops", "mail loop", "duplicated message-id", "routing loop"}},
	{"4.4.7", []string{"retry timeout exceeded", "retry time not reached", "in the queue too long", "delivery time expired", "has expired", "aborted after", "message expired", "timed out", "timeout", "too long", "queue period", "is not responding", "maximum delivery attempts", "delivery failed 20 attempts"}},
	{"4.4.1", []string{"connection refused", "unable to connect", "could not connect", "couldn't connect", "no route to host", "not accept our requests to connect", "network unreachable", "connection reset", "deferred"}},
	{"5.7.1", []string{"access denied", "relaying denied", "blocked", "blacklist", "blocklist", "spam", "virus", "policy", "not authorized", "permission"}},
}

// machines are local parts from which mail systems write.
var machines = []string{"mailer-daemon", "mailer_daemon", "mailerdaemon", "postmaster", "post_master", "mail-daemon", "maildaemon", "mail.delivery.system", "mdaemon", "mail-delivery", "no-reply-bounce", "mmsc", "system-administrator"}

// names are display names with which they do.
var names = []string{"mail delivery", "mail deliver", "system administrator", "mailer-daemon", "mailer daemon", "postmaster", "mail administrator", "delivery subsystem", "mdaemon", "ndr administrator", "interscan"}

// fromMachine tells whether a From field names a mail system.
func fromMachine(from string) bool {
	low := strings.ToLower(decodedText(from))
	if slices.ContainsFunc(addresses(low), func(f found) bool { return isMachine(f.address) }) || containsAny(low, names) {
		return true
	}
	return containsAny(low, machines)
}

// isMachine tells whether an address is a mail system's.
func isMachine(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	return slices.Contains(machines, local)
}

// autoReply tells whether a machine answered in a person's place.
func (m *message) autoReply() bool {
	auto, _, _ := strings.Cut(strings.ToLower(m.header.Get("Auto-Submitted")), ";")
	auto = strings.TrimSpace(auto)
	if m.receipt || auto != "" && auto != "no" || strings.EqualFold(strings.TrimSpace(m.header.Get("Precedence")), "auto_reply") {
		return true
	}
	if slices.ContainsFunc(m.header, func(f entity.Field) bool {
		return slices.ContainsFunc([]string{"X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply", "X-Auto-Response-Suppress", "X-Mail-Autoreply", "X-Loop", "X-Apple-Action"}, f.Is)
	}) {
		return true
	}
	return containsAny(strings.ToLower(decodedText(m.header.Get("Subject"))), replySubjects)
}

// decodedText decodes encoded-words (RFC 2047); what cannot be decoded stays.
func decodedText(value string) string {
	d := mime.WordDecoder{}
	if text, err := d.DecodeHeader(value); err == nil {
		return text
	}
	return value
}
