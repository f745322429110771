package relay

import (
	"fmt"
)

// open queues the commands of a transaction, where the next hop takes them in
// one go; elsewhere they wait for opened.
func (c *conn) open(t *Transaction) {
	if !c.ext.pipelining {
		return
	}
	if c.dirty {
		c.write("RSET\r\n")
		c.dirty, c.resetOpen = false, true
	}
	c.write(c.mail(t)...)
	c.write(c.rcpt(t)...)
	c.write("DATA\r\n")
}

// opened reads the replies to the commands of a transaction. Without refusal
// and error the next hop waits for the message and says nothing else. stage is
// where the refusal or the error came up; there may be both.
func (c *conn) opened(t *Transaction) (stage Stage, refusal reply, err error) {
	if !c.ext.pipelining {
		return c.openedStepwise(t)
	}
	if err := c.readOwed(); err != nil {
		return StageMail, reply{}, err
	}
	taken := false // DATA was answered with 354
	for _, at := range []Stage{StageMail, StageRcpt, StageData} {
		r, err := c.answer(at)
		if refusal.code == 0 {
			stage, refusal = at, r
		}
		if err != nil {
			return stage, refusal, err
		}
		taken = at == StageData && r.code == 0
	}
	if refusal.code == 0 {
		return stage, reply{}, c.inStep()
	}
	c.dirty = true
	if !taken {
		return stage, refusal, nil
	}
	// RFC 2920 section 3.1: a server may take DATA though it took no recipient;
	// a lone dot ends that. Without a sender there may be a recipient.
	if stage != StageRcpt {
		return stage, refusal, fmt.Errorf("%w: DATA taken after a refused MAIL", errProtocol)
	}
	c.out = append(c.out, dataEnd)
	c.dotOpen = true
	return stage, refusal, nil
}

// openedStepwise is open and opened for a next hop without PIPELINING.
func (c *conn) openedStepwise(t *Transaction) (stage Stage, refusal reply, err error) {
	if c.dirty {
		c.write("RSET\r\n")
		c.dirty, c.resetOpen = false, true
		if _, err := c.flush(); err != nil {
			return StageMail, reply{}, err
		}
		if err := c.readOwed(); err != nil {
			return StageMail, reply{}, err
		}
	}
	commands := map[Stage][]string{StageMail: c.mail(t), StageRcpt: c.rcpt(t), StageData: {"DATA\r\n"}}
	for _, stage = range []Stage{StageMail, StageRcpt, StageData} {
		c.write(commands[stage]...)
		if _, err := c.flush(); err != nil {
			return stage, reply{}, err
		}
		if refusal, err = c.answer(stage); err != nil || refusal.code != 0 {
			c.dirty = true
			return stage, refusal, err
		}
	}
	return stage, reply{}, c.inStep()
}

// answer reads the reply to one command: a refusal, or none. 421 is an error,
// and so is what does not fit the command.
func (c *conn) answer(stage Stage) (refusal reply, err error) {
	code, err := c.read(c.hop.c.CommandTimeout)
	if err != nil {
		return reply{}, err
	}
	good := 2
	if stage == StageData {
		good = 3
	}
	switch {
	case code == closing:
		return reply{}, c.last()
	case code/100 == good:
		return reply{}, nil
	case code >= 400:
		return c.last(), nil
	}
	return reply{}, fmt.Errorf("%w: %d in answer to %s", errProtocol, code, stage)
}

// inStep makes sure, before a message is sent, that no further reply is there
// which would be taken for the one to that message.
func (c *conn) inStep() error {
	if c.in.Buffered() > 0 {
		return fmt.Errorf("%w: more replies than commands", errProtocol)
	}
	return nil
}

// readOwed reads the replies that decide over no transaction.
func (c *conn) readOwed() error {
	if c.dotOpen { // to a lone dot: there was no recipient, whatever it says
		c.dotOpen = false
		if code, err := c.read(c.hop.c.FinalTimeout); err != nil {
			return err
		} else if code == closing {
			return c.last()
		}
	}
	if c.resetOpen {
		c.resetOpen = false
		if code, err := c.read(c.hop.c.CommandTimeout); err != nil {
			return err
		} else if code/100 != 2 {
			return fmt.Errorf("RSET: %w", c.last())
		}
	}
	return nil
}

// settleUp leaves the connection with nothing to write and nothing to read.
func (c *conn) settleUp() error {
	if _, err := c.flush(); err != nil {
		return err
	}
	return c.readOwed()
}
