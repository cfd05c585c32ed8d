// Command netpol enforces networking.k8s.io/v1 NetworkPolicy by nftables, for one node and IPv4. It is a test fixture, not a network plugin.
// Every change rewrites one table in one nft transaction. Addresses of the Pod network that the API does not (yet) know are dropped,
// so a new Pod can't speak before its policies are in force. IPv6 between Pods is dropped: no policy here would see it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	netlisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

type netpol struct {
	pods   corelisters.PodLister
	nss    corelisters.NamespaceLister
	pols   netlisters.NetworkPolicyLister
	podNet *net.IPNet
	node   net.IP // the bridge's own address, the first of the Pod network
	last   string // what is in force
}

func main() {
	fs := flag.NewFlagSet("netpol", flag.ExitOnError)
	kubeconfig := fs.String("kubeconfig", "", "kubeconfig file")
	podNet := fs.String("pod-cidr", "10.244.0.0/24", "the Pod network")
	_ = fs.Parse(os.Args[1:])
	ip, cidr, err := net.ParseCIDR(*podNet)
	fatal(err)
	node := ip.Mask(cidr.Mask).To4()
	node[3]++
	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	fatal(err)
	client, err := kubernetes.NewForConfig(cfg)
	fatal(err)
	f := informers.NewSharedInformerFactory(client, 0)
	n := &netpol{f.Core().V1().Pods().Lister(), f.Core().V1().Namespaces().Lister(), f.Networking().V1().NetworkPolicies().Lister(), cidr, node, ""}
	kick := make(chan struct{}, 1)
	poke := func(any) {
		select {
		case kick <- struct{}{}:
		default:
		}
	}
	h := cache.ResourceEventHandlerFuncs{AddFunc: poke, DeleteFunc: poke, UpdateFunc: func(_, o any) { poke(o) }}
	for _, i := range []cache.SharedIndexInformer{f.Core().V1().Pods().Informer(), f.Core().V1().Namespaces().Informer(), f.Networking().V1().NetworkPolicies().Informer()} {
		_, err := i.AddEventHandler(h)
		fatal(err)
	}
	ctx := context.Background()
	f.Start(ctx.Done())
	f.WaitForCacheSync(ctx.Done())
	poke(nil)
	for range kick {
		if err := n.sync(); err != nil {
			fmt.Fprintln(os.Stderr, time.Now().Format(time.RFC3339), err)
			time.AfterFunc(time.Second, func() { poke(nil) })
		}
		time.Sleep(20 * time.Millisecond) // let a burst gather
	}
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (n *netpol) sync() error {
	pods, _ := n.pods.List(labels.Everything())
	pols, _ := n.pols.List(labels.Everything())
	var live []*corev1.Pod
	for _, p := range pods {
		if n.podNet.Contains(net.ParseIP(p.Status.PodIP)) && !p.Spec.HostNetwork && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			live = append(live, p)
		}
	}
	sort.Slice(live, func(i, j int) bool { return live[i].Status.PodIP < live[j].Status.PodIP })
	var chains, known, egress, ingress strings.Builder
	for i, p := range live {
		fmt.Fprintf(&known, "%s, ", p.Status.PodIP)
		var out, in []string
		outIso, inIso := false, false
		for _, pol := range pols {
			if pol.Namespace != p.Namespace || !matches(&pol.Spec.PodSelector, p.Labels) {
				continue
			}
			for _, t := range pol.Spec.PolicyTypes {
				if t == netv1.PolicyTypeEgress {
					outIso = true
					for _, r := range pol.Spec.Egress {
						out = append(out, n.rules(pol.Namespace, "daddr", r.To, r.Ports, live, nil)...)
					}
				} else {
					inIso = true
					for _, r := range pol.Spec.Ingress {
						in = append(in, n.rules(pol.Namespace, "saddr", r.From, r.Ports, live, p)...)
					}
				}
			}
		}
		if outIso {
			fmt.Fprintf(&chains, " chain e%d {\n  %s\n  counter drop\n }\n", i, strings.Join(out, "\n  "))
			fmt.Fprintf(&egress, "%s : jump e%d, ", p.Status.PodIP, i)
		}
		if inIso {
			fmt.Fprintf(&chains, " chain i%d {\n  %s\n  counter drop\n }\n", i, strings.Join(in, "\n  "))
			fmt.Fprintf(&ingress, "%s : jump i%d, ", p.Status.PodIP, i)
		}
	}
	el := func(b *strings.Builder) string {
		if b.Len() == 0 {
			return ""
		}
		return "elements = { " + strings.TrimSuffix(b.String(), ", ") + " }"
	}
	text := fmt.Sprintf(`table inet netpol
delete table inet netpol
table inet netpol {
%[1]s set known { type ipv4_addr; %[2]s }
 map egress { type ipv4_addr : verdict; %[3]s }
 map ingress { type ipv4_addr : verdict; %[4]s }
 chain out { ct state established,related accept
  ip saddr %[5]s ip saddr != @known ip saddr != %[6]s counter drop
  ip saddr vmap @egress
 }
 chain forward { type filter hook forward priority 10; policy accept
  meta nfproto ipv6 drop
  jump out
  ip daddr vmap @ingress
 }
 chain input { type filter hook input priority 10; policy accept
  meta nfproto ipv6 iif != "lo" drop
  ip saddr %[5]s iif != "lo" jump out
 }
}
`, chains.String(), el(&known), el(&egress), el(&ingress), n.podNet, n.node)
	if text == n.last {
		return nil
	}
	c := exec.Command("nft", "-f", "-")
	c.Stdin = strings.NewReader(text)
	if b, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %v: %.300s", err, b)
	}
	n.last = text
	return nil
}

// rules: nft lines that accept (return) what one ingress or egress rule allows.
func (n *netpol) rules(ns, field string, peers []netv1.NetworkPolicyPeer, ports []netv1.NetworkPolicyPort, live []*corev1.Pod, target *corev1.Pod) []string {
	from := []string{""}
	if len(peers) > 0 {
		from = nil
		var ips []string
		for _, peer := range peers {
			if b := peer.IPBlock; b != nil {
				if strings.Contains(b.CIDR, ":") { // Pods here have no IPv6, and one such rule would keep the whole table out
					continue
				}
				s := fmt.Sprintf("ip %s %s ", field, b.CIDR)
				if len(b.Except) > 0 {
					s += fmt.Sprintf("ip %s != { %s } ", field, strings.Join(b.Except, ", "))
				}
				from = append(from, s)
				continue
			}
			for _, q := range live {
				if (peer.PodSelector == nil || matches(peer.PodSelector, q.Labels)) && n.nsMatches(ns, peer.NamespaceSelector, q.Namespace) {
					ips = append(ips, q.Status.PodIP)
				}
			}
		}
		if len(ips) > 0 {
			from = append(from, fmt.Sprintf("ip %s { %s } ", field, strings.Join(ips, ", ")))
		}
	}
	to := []string{""}
	if len(ports) > 0 {
		to = nil
		for _, p := range ports {
			proto := "tcp"
			if p.Protocol != nil {
				proto = strings.ToLower(string(*p.Protocol))
			}
			if p.Port == nil {
				to = append(to, "meta l4proto "+proto+" ")
				continue
			}
			num := p.Port.IntVal
			if p.Port.Type == intstr.String { // a named port: known for ingress only, where the target is one Pod
				num = 0
				if target != nil {
					for _, c := range target.Spec.Containers {
						for _, cp := range c.Ports {
							if cp.Name == p.Port.StrVal {
								num = cp.ContainerPort
							}
						}
					}
				}
				if num == 0 {
					continue
				}
			}
			if p.EndPort != nil {
				to = append(to, fmt.Sprintf("%s dport %d-%d ", proto, num, *p.EndPort))
			} else {
				to = append(to, fmt.Sprintf("%s dport %d ", proto, num))
			}
		}
	}
	var out []string
	for _, a := range from {
		for _, b := range to {
			out = append(out, a+b+"return")
		}
	}
	return out
}

func (n *netpol) nsMatches(own string, sel *metav1.LabelSelector, ns string) bool {
	if sel == nil {
		return own == ns
	}
	o, err := n.nss.Get(ns)
	return err == nil && matches(sel, o.Labels)
}

func matches(s *metav1.LabelSelector, l map[string]string) bool {
	sel, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && sel.Matches(labels.Set(l))
}
