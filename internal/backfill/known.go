package backfill

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// maxKnown is how many ids are read, and maxLine how long a line may be.
	maxKnown = 10_000_000
	maxLine  = 256
)

// Known reads the ids of users that the backend has, one a line.
type Known struct {
	// Name is the file's, for errors.
	Name string

	// Reader has the lines.
	Reader io.Reader
}

// Check reads all ids, and finds what is not one.
func (k *Known) Check() error { return k.each(func([]string) error { return nil }) }

// each calls use with all ids, at most maxLookup at a time.
func (k *Known) each(use func(ids []string) error) error {
	lines := bufio.NewScanner(k.Reader)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	var batch []string
	number := 0
	for lines.Scan() {
		number++
		id := strings.TrimSpace(lines.Text())
		if id == "" {
			continue
		}
		if kind, err := KindOf(id); err != nil || kind != Users {
			return fmt.Errorf("%w: %s, line %d: %s is not the id of a user (user_…): give a file with one id a line, and nothing else", ErrDeletions, k.Name, number, shown(id))
		}
		if number > maxKnown {
			return fmt.Errorf("%w: %s has more than %d lines", ErrDeletions, k.Name, maxKnown)
		}
		if batch = append(batch, id); len(batch) == maxLookup {
			if err := use(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%w: %s, line %d is longer than %d characters: give a file with one id a line, and nothing else", ErrDeletions, k.Name, number+1, maxLine-1)
	} else if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDeletions, k.Name, err)
	}
	if len(batch) == 0 {
		return nil
	}
	return use(batch)
}

// Limit is a number or a share.
type Limit struct {
	value   float64
	percent bool
	text    string
}

// ParseLimit reads a number such as 20, or a share such as 5%.
func ParseLimit(text string) (Limit, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	switch {
	case err != nil || !(value >= 0) || value > maxKnown || percent && value > 100:
		return Limit{}, fmt.Errorf("%q is neither a share such as 5%% nor a number such as 20", text)
	case !percent && value != float64(int(value)):
		return Limit{}, fmt.Errorf("%q is not a whole number: a share needs a percent sign", text)
	}
	return Limit{value: value, percent: percent, text: text}, nil
}

func (l Limit) allows(n, of int) bool {
	if l.percent {
		return float64(n)*100 <= l.value*float64(of)
	}
	return float64(n) <= l.value
}

func (l Limit) String() string { return l.text }

// ErrDeletions is the kind of the errors because of which no deletion is sent.
var ErrDeletions = errors.New("no deletion was sent")

// sendDeletions sends a deletion for each known user that Clerk does not have. First
// it finds all of them, because their number decides whether any is sent.
func (r *Run) sendDeletions(ctx context.Context, d *deliverer) error {
	r.tally.enter("deletions", 0, 0)
	gone, err := newSpool()
	if err != nil {
		return err
	}
	defer gone.remove()
	known := 0
	err = r.Known.each(func(ids []string) error {
		known += len(ids)
		return r.findGone(ctx, ids, gone)
	})
	if err != nil {
		return err
	}
	if err := r.refuseDeletions(gone.count, known); err != nil {
		return fmt.Errorf("%w: %w", ErrDeletions, err)
	}
	r.tally.enter("deletions", 0, gone.count)
	b := r.tally.begin(nil)
	err = gone.each(func(id string) error { return r.sendDeletion(ctx, d, id, b) })
	if err == nil {
		b.end()
		d.wait()
	}
	return errors.Join(err, context.Cause(ctx))
}

func (r *Run) findGone(ctx context.Context, ids []string, gone *spool) error {
	found, err := r.Client.lookUp(ctx, Users, ids)
	if err != nil {
		return err
	}
	exists := make(map[string]bool, len(found))
	for _, o := range found {
		exists[o.id] = true
	}
	for _, id := range ids {
		if !exists[id] {
			if err := gone.add(id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Run) refuseDeletions(gone, known int) error {
	switch {
	case known == 0 || gone == 0:
		return nil
	case gone == known:
		return fmt.Errorf("none of the %d users in %s is in Clerk: is the secret key of the same instance?", known, r.Known.Name)
	case !r.MaxDeletions.allows(gone, known):
		return fmt.Errorf("%d of the %d users in %s (%.3g%%) are not in Clerk, and --max-deletions is %s. If they are deleted in Clerk, give --max-deletions %d",
			gone, known, r.Known.Name, 100*float64(gone)/float64(known), r.MaxDeletions, gone)
	}
	return nil
}

// sendDeletion asks for the user once more, alone, before it says that they are gone.
func (r *Run) sendDeletion(ctx context.Context, d *deliverer, id string, b *batch) error {
	readAt := time.Now()
	isGone, err := r.Client.isGone(ctx, id)
	if err != nil {
		return err
	}
	if !isGone {
		r.tally.unwanted()
		r.Notify(id + " is not in Clerk's list of users, but Clerk has it: no deletion is sent for it")
		return nil
	}
	return r.send(ctx, d, newDeletion(id, r.instance, readAt), b)
}

// spool keeps ids in a file, because there can be too many for the memory.
type spool struct {
	file  *os.File
	out   *bufio.Writer
	count int
}

func newSpool() (*spool, error) {
	file, err := os.CreateTemp("", "caddy-clerk-webhook-*")
	if err != nil {
		return nil, err
	}
	return &spool{file: file, out: bufio.NewWriter(file)}, nil
}

func (s *spool) add(id string) error {
	s.count++
	_, err := s.out.WriteString(id + "\n")
	return err
}

func (s *spool) each(use func(id string) error) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewScanner(s.file)
	for lines.Scan() {
		if err := use(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (s *spool) remove() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name()) // nobody reads it any more
}
