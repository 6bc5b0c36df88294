#!/bin/bash
# Small changes whose order and mixture matter to commit: renamed directories with changes before and after, names made again, hard links,
# types, times. Each is one line of shell, run natively and in a box, committed, compared.
. "$(dirname "$0")/lib.sh"

setup_small() {
	mkdir -p d/s/deep other empty
	echo a >d/a
	echo b >d/b
	echo c >d/s/c
	echo deep >d/s/deep/x
	ln -s t d/s/l
	echo o >other/o
	echo one >h1
	ln h1 h2
	ln h1 d/h3
	ln -s d link
	mkfifo p
	printf '#!/bin/sh\n' >x
	chmod 755 x
}
number=0
# shape CODE
shape() {
	number=$((number + 1))
	eval "cmd_$number() { $1
}"
	local failures=$FAILURES
	both "$number" setup_small "cmd_$number" >"$T/shape.log"
	if [ "$FAILURES" = "$failures" ]; then
		say "ok: $1"
	else
		say "-- $1"
		cat "$T/shape.log"
	fi
}

# directories
shape 'mv d e'
shape 'mv d e; mv e d'
shape 'mv d e; mv e f; mv f other/g'
shape 'mkdir n; mv d n/d; find n | sort'
shape 'mkdir -p n/m; mv d/s n/m/t; find n | sort'
shape 'mkdir n; mv d n/d; echo z >>n/d/a; rm n/d/b; cat n/d/s/c'
shape 'mv d e; rm e/a'
shape 'mv d e; echo z >>e/a; echo n >e/new'
shape 'rm d/a; mv d e'
shape 'echo z >>d/s/c; mv d e'
shape 'echo n >d/new; mkdir d/made; mv d e'
shape 'rm d/s/l; echo 1 >d/s/l; mv d e'
shape 'chmod 600 d/b; mv d e; chmod 640 e/a'
shape 'mv d/s d/t; mv d e; cat e/t/c'
shape 'mv d e; mv e/s e/t; mv e/t/deep top'
shape 'mv d/s t; mv d e; mv t e/t'
shape 'mv d e; mkdir d'
shape 'mv d e; mkdir d; echo n >d/n; echo a2 >d/a'
shape 'mv d e; rm e/a; mkdir d; cp e/b d/a'
shape 'mv d e; ln -s e d; cat d/a'
shape 'mv d e; echo file >d'
shape 'rm -r d; mkdir d; echo new >d/a'
shape 'rm -r d; echo file >d'
shape 'rm -r d; ln -s other d; ls d'
shape 'mv d t; mv other d; mv t other; cat d/o other/a'
shape 'mv d/a d/b; mv d/s/c d/a'
shape 'mv empty d/s/empty; mv d other/d'
shape 'rmdir empty; mv d empty'
shape 'mv -T d empty; find empty | sort'
shape 'rm -r d other empty'
shape 'mkdir -p q/w/e/r; mv q/w d/w; rm -r q'
# links
shape 'sed -i s/one/two/ h1 h2 d/h3'
shape 'echo more >>h1; cat h2'
shape 'rm h1; echo more >>h2'
shape 'mv h1 moved; echo more >>moved; cat d/h3'
shape 'mv d e; echo more >>e/h3; cat h1'
shape 'mv d e; mv h1 e/s/c; stat -c %h e/s/c'
shape 'mv d/s m; mv d/h3 m/c; stat -c %h m/c'
shape 'ln d/a d/a2; ln d/a2 other/a3; echo z >>other/a3'
shape 'ln h1 h4; rm h2'
shape 'echo 1 >n1; ln n1 n2; ln n1 other/n3; mv other oo'
shape 'cp -l d/a la; mv -f la d/b'
shape 'chmod 600 h1; stat -c %a h2'
shape 'touch -d 2001-02-03 h2; stat -c %Y d/h3'
# types, metadata, times
shape 'rm d/a; mkdir d/a; echo in >d/a/in'
shape 'rm d/a; mkfifo d/a'
shape 'rm p; echo was a pipe >p; rm link; mkdir link'
shape 'ln -sfn other link; ls link/'
shape 'chmod 700 d; chmod 1777 other; chmod 2750 empty'
shape 'touch -d "2001-02-03 04:05:06.789" d/a x'
shape 'touch -h -d "2001-02-03 04:05:06" link'
shape 'chmod 000 d/a; chmod 444 d/b'
shape 'touch -d 2001-02-03 p; chmod 600 p; mv p q'
shape 'truncate -s 1M d/a; printf x | dd of=d/a seek=500000 bs=1 conv=notrunc status=none'
shape ': >d/a; cat d/a; echo same >d/b; echo b >d/b'
shape 'cp x y; mv y x; ./x'
# times of directories: those that somebody set, and those that came by the names in them
DIR_TIMES=1
shape 'touch -d 2001-02-03 d'
shape 'touch d/s'
shape 'touch -m -d 2001-02-03T04:05:06.789 d/s; touch -a -d 2002-03-04 d/s'
shape 'echo n >d/new; rm d/s/c; touch -d 2001-02-03 d d/s'
shape 'touch -d 2001-02-03 d d/s; echo n >d/new; rm d/s/c'
shape 'touch -d 2001-02-03 d; chmod 700 d; setfattr -n user.a -v b d/s'
shape 'touch -d 2001-02-03 d d/s; echo z >>d/s/c; chmod 640 d/a'
shape 'touch -d 2001-02-03 d; mv d e; touch -d 2001-02-04 e/s'
shape 'cp -a d copy; touch -d 2001-02-03 d; cp -a d/. copy; touch -r copy d/s'
shape 'mkdir n; touch -d 2001-02-03 n; mkdir n/m; touch -d 2001-02-04 n/m'
shape 'chmod 300 d; touch -d 2001-02-03 d; chmod 700 d/s'
DIR_TIMES=
# names
shape 'echo 1 >"a b"; echo 2 >"$(printf "n\nl")"; echo 3 >"$(printf "\351")"; echo 4 >-n; mv "a b" "b a"'
shape 'mkdir D; echo 1 >D/A; mv a b 2>&1; mv d/a d/A; ls d'
shape 'i=0; while [ $i -lt 60 ]; do mv d d2; mv d2 d; i=$((i + 1)); done; ls d'
finish
