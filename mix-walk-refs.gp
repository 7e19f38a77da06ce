# Made by mmu2d 0.1.0. To draw it again after an edit, run gnuplot on this file
# in its folder. The numbers are in the .tsv beside it.
name = './'.'mix-walk-refs'
data = name.'.tsv'
formats = 'svg png '

set encoding utf8
set datafile separator "\t"
set border 3 linecolor rgb '#444444' linewidth 1
set tics nomirror out scale 0.6 font ',11' textcolor rgb '#222222'
set grid noxtics ytics linetype 1 linecolor rgb '#dddddd' linewidth 0.6
set style fill solid 1.0 noborder
set key at screen 0.012, screen 0.9216 left top Left reverse vertical maxrows 1 samplen 1.2 noenhanced font ',11'

do for [format in formats] {
	if (format eq 'svg') {
		set terminal svg size 820,421 font 'sans-serif,13' background 'white'
	} else {
		set terminal pngcairo size 1640,842 font 'sans-serif,13' fontscale 2 linewidth 2 pointscale 2
	}
	set output name.'.'.format
	set label 99 'References per walk' at screen 0.015, screen 0.9530 left font ',15' noenhanced
	set tmargin at screen 0.8955
	set bmargin at screen 0.1829
	set label 100 'zen2, npt, blocking, 1 vCPU, 300,000 references of mix.m2t' at screen 0.015, screen 0.0214 left font ',9' textcolor rgb '#666666' noenhanced
	set xlabel 'Table entries read per walk (both dimensions)' offset 0,0.6 font ',12' noenhanced
	set ylabel 'Share of walks (%)' font ',12' noenhanced
	set xrange [0:17]
	set xtics 1
	set yrange [0:32.33]
	set arrow 1 from 7.7758, graph 0 to 7.7758, graph 1 nohead dashtype 2 linecolor rgb '#d55e00' back
	set label 1 'mean 7.78' at 7.7758, graph 0.97 left offset 0.6,0 textcolor rgb '#d55e00' font ',11' front
	set boxwidth 0.8000
	plot data using ($1+0.0000):3 skip 1 with boxes linecolor rgb '#0072b2' notitle, \
		data using 1:($3 >= 0.05 ? $3 : NaN):(sprintf('%.1f', $3)) skip 1 with labels center offset 0,0.6 font ',9' textcolor rgb '#444444' notitle
	unset output
}
