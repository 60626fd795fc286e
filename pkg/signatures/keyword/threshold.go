package keyword

import (
	"errors"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
	"github.com/weir-ips/weir/pkg/threshold"
)

var errTwoThresholds = errors.New("the rule already has a threshold or detection_filter")

var thresholdKeyword = Keyword{
	Name: "threshold", Family: FamilyState, Arg: "type limit|threshold|both, track by_src|by_dst|by_both|by_rule|by_flow, count N, seconds N",
	Doc: "how many matches of a source, destination or pair make an alert",
	setup: func(c *compiler, o *syntax.Option) error {
		s, err := threshold.ParseRule(o.Value)
		return c.setThreshold(s, err)
	},
}

var detectionFilter = Keyword{
	Name: "detection_filter", Family: FamilyState, Arg: "track by_src|by_dst|by_both|by_rule|by_flow, count N, seconds N",
	Doc: "the rule matches only after count matches within the time",
	setup: func(c *compiler, o *syntax.Option) error {
		s, err := threshold.ParseDetectionFilter(o.Value)
		return c.setThreshold(s, err)
	},
}

func (c *compiler) setThreshold(s threshold.Spec, err error) error {
	if err != nil {
		return err
	}
	if old := c.sig.Threshold; old != nil {
		if old.Kind == threshold.DetectionFilter || s.Kind == threshold.DetectionFilter {
			return errTwoThresholds
		}
		c.warn(errors.New("threshold: the first of two is used"))
		return nil
	}
	c.sig.Threshold = &s
	return nil
}
