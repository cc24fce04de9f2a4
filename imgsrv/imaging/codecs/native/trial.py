"""The pictures by which imgsrv's own JPEG decoder is tried before it is used, and the planes that they hold.

The planes are those of an inverse DCT in floating point; `tests/imaging/codecs/test_native_jpeg.py` computes them anew.
"""

from __future__ import annotations

from base64 import b85decode
from collections.abc import Mapping
from dataclasses import dataclass

from imgsrv.imaging.model.limits import Size


@dataclass(frozen=True, slots=True)
class Trial:
    """A JPEG of this size.  planes: its samples, luma and then both colours, at eighths of its size."""

    size: Size
    data: bytes
    planes: Mapping[int, bytes]


TRIALS = {
    "baseline": Trial(
        (45, 29),
        b85decode(
            "|JeWF01!$>Nk#wx0RR9200961|JwjV01XKW3knDg3knMk4h;_zAQcl55)&sJ9v2`kDKRiEDJ?8BI!Zn>HbyrrEkIX6ModmpQ"
            "&KWMT47pHU`kO^PygEhLjevB4iga*CKVMXPc<zyPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPf"
            "t%zPf!2A01*fP9RMu@0U`hb5di}c0sq7R9{>OW1pxs80RaI300000000010s{mE1_uZU3Jd?l0JRVR0s#X90t5pE1q1{D00D"
            "gg0s{a95d{(<F+m0sQDFxnaTGFvk)a49Lb1UWQqk}vGh%Xr2?`b$7#SKRCMPH<Dl|1VH#j*uLqtVJM@UIZQ&d$}S6EqEV`OD"
            "!XJ~0^b98lfcX)YvgM@{Khlq)al9QB`mY0~BnxdnmrKYE-sj9NGw6(UkxVgH*!^FkL$H>Xb($mz{*4NnC+Tr5k<mKk)=;`Y5"
            "^7Hid_V@Vt`v1fL9{~UZ0RaI40RaI40RR91000010s{mE1_uZU3Jd?l0JRYS0s#U91Oo&I1q1{D0Rndb0RjUN1O*{61`<J02"
            "Vrp&A~Jyp6he`qvB3!=Gg9ysVsg<679=#`CGi&+85$-hC@Cs6Ha9pqIzvQ7Mn_0VN>fx-"
            "R##YAT4Q8oW@l(=YIAgTc6WGrdV+(5g@%WSiHeewl$Dm3n3<ZQqok##r>Lo_va__cwzs&sy28W6#m2|T$;#5x)YaD4*xB0R<"
            "K*S$=jiF`^7Hid_V@Vt`v2Vk1ONj6+5ij#0RRFK0}%i}0Ln6X7Q$H}FOmYPk;$slU!*gl&umvGBV%VDg*-"
            "bL%rC;^6=BZO4+g7GZHvKl$uqXx1x4Hm`qVn7Ei`S}lxv5&1T<`*Ar$DW11m?n<k_@U9}hPBJBXMSD&&BBX0;$~sLD?y@lz?"
            "Jc0p=?|In2XeWpM;RzP_5{{SMM_HA{+c3gEHzV*&b*B2U`zJBGkMImr-JqP1mMTNOYql#;sFhRlUD<xLU>xQdClt`vkCztQm"
            "tU_D@2`UezEv$r{j<|1JU>cHtXUF@%*Bq+!Ji2YSWB<{@jsDAYTowx48rqGO?Idt;RAe7Y%(%9e;>&zEX&0Pltyi<uWN3^F8"
            "E1c&9V^Oh$z2@~voBi+V~#llC}qY&o_Y1hO0dg5?BR<yT+=OKDhOpCE&wOiwQVlS@j9+Eg=&Xd#_1pb*#"
        ),
        {
            1: b85decode("UQcm#h>cW6UVc=SPh3%ZW^-O-Tu*M0dv|wYTUKs_lW>lj"),
            2: b85decode(
                "TWVorXntR1fryT7V^2#iV1R#+h>w${SXe<cKZ16PXGV6QPE%S)GK6-"
                "4PF0euLr+#_L}q<{R&;Z2RaRDDRYh=tVr+PGS#4}wWIkGOS#*!BOl53bW@su(ZGL%-g@S&2e1vpxcx-"
                "QOZfIjyU}0TWS6oj>W^{aqkd|q8fQpQpZFh^2mzrgGhn1S1"
            ),
            3: b85decode(
                "TxDx&USV)kj8Se^fqRRSe`8Q<UsFqAbzhQmaDkF{mWzppUT`^BCn8ROd4Y+RjDVMwpRiMMOIQp<E_``$iHd_%MQ)mwNl"
                "#f&J4GULhHr+3TM21vp{`U+R9{y_C|-(qd4XR}U7nh+MNU;!W@kl1czA<)P*Zw-Zg@UMMom>>SUg{Hl6hQ+ab{^@T4Gy"
                "RUSnEGLSKt`SZQQ|d3;-"
                "EY;9y*WLP~_fOA!9bCss6MPY7mWLaBsD>GP2S#ExEi>^{lYi(p)TY_*ZD_3!Mfqj65h=qfFe0zR>iG6!{e|vU!bbE4eZ"
                "g+2JZ)t6Ba%N^;Sz=>kXJTGmTTob5R9;h7P-9(ANkn99b$xz`jF*>YZg+oxjF6X;XmNRgf{uoloo;n`iHwkzn3`s4cZ-"
                "pjn3|kuXn%u@mYSTO"
            ),
            4: b85decode(
                "S!7{iVq{NWc~WGLOlWOUhi#99m5O;{SYmX5a%60Ddq;efW?yn^l5UBVjf-"
                "k=OJHU(IyopwdRu>ogma0In|Xwmi;|+CT7gzSV@MSxJ9~b2e}s^hjem)nnU$!oO?6>QVIK@eC0>kka(<DChI33rYoeE)"
                "O-ph^RxvDJF-MqnZg!G_eIGDhRDX|`PD4p#RZL1Q89kDNba;$|WC=iWeXz2}R#H$=Ut>y5GcksPcX)V$YE5NRpO%xWOG"
                "{K!Rb6ptNit%5c7c6;OiM<Bh-!IwG(1gFQ&C-8S3E~*cYT;?QizOuX=`d~PfkrhOHp5HTuMP)Y<-"
                "w`S8iuzYI9>_Szu>hT3=saTTwzjU2&IdQFCHygn@a4TwZEyZfay-W@Je|R%(rDP-kUzmZqVtN@;9uZe>|eRBuf!KwEZT"
                "Rc3s8dX2HLL`7n6b8Ti}T6J?PB|JeoV_bQCb!&{HS5H)KY-"
                "V0qS8<4UD=IQ*b#sJ&e2IO6h=+xQeSCX+e}03Df`EU0fPQ;<dw6?-"
                "cz1PleR*_obZ~HXa&T^Kc5!QFaB697Z*y;EXJK4hVq;`wYHDX;VqRBJTwGgQWL{cYS6y3CR8mh(UsX|7O<rYQPD@5YV`"
                "y-7eSCt7ij$a_WNLADetm<CkCm2_W^8kLfPaOKjFgy`Xl-"
                "?Rfq{mPgOHn_ZghBgh>DGmmY12DXlrqIi;k0)mzbKIW@T=Bh>et)nVOuPX=QMOfrpTmnw*`V"
            ),
        },
    ),
    "progressive": Trial(
        (18, 9),
        b85decode(
            "|JeWF01!$>Nk#wx0RR9200961|JwjV015{O2nPlV2nYxZ3JMDj7!VE(4GtX@77-"
            "XDA0;FrA0i<pD>pADDKse|A}~QQG&wsyK0YNbL`g$DNH;w`JOA4NLjej43l0qq91sv3J18P3J3Bi&J3Bi&J3Bi&J3Bi&J3Bi"
            "&J3Bi&J3Bi&J3Bi&J3Bi&J3Bi&J3Bi&J3Bi&J3Ifv01*fP2>=oU0TBQK5di}c0sq7R761VO0RR910000000000000F81pmYU"
            "7y$qS0RaF20000000000000651OWyA+5ij#0RRFJ0}ucJ0V@!IQAN}+^Y#S@BCr3%02&Yg0s{d70000000000000010s|2t1"
            "QY+-"
            "00;pA009L8^$O9|tXNi`mts?&|HJ?n5di@K0RR91000000000000063G5^{C2mu2D0Y3qpPZNk{CI7?#8xa5j1pxs7000000"
            "0000000010ud4+13~}V00;pB0RcY&x23j4d3=MTp+$NB!~h!*00II70RR910000000000009CK5-"
            "~wh|Jncu0RaF8KLSco9JusV@Xn;hyk#H%!~hx)0RRI50RaF200000000000RRypF;Q{<+5iXv0RRC%Az2gSbEmM>6>z~VY!d"
            "*oJ8ZI4{WJgC01N{G00IC50000GL=V6J!~ho&0RaI40000000000000000RRyp|Jncu0RsU6KM>sG4hWNNU|plj|HJ?n5dZ@"
            "L0000000000000000003IA^+L{2mt~C0Y4CSus2RLf~^rc8`J;9038qk00RI50|5X4000000000101+WEK~Z6Gf&bb72mt{A"
            "0Y4DzqK-@T8lor;Dx*IU;L2`ZB!;Q?ikj(A9*1Kf?Fa1t*#"
        ),
        {
            1: b85decode("Omu!fUWR{mY-eFlZiJk4iJ$"),
            2: b85decode("T4ZK|WkE1wf`&FUK!JXVgMEE>czAMbW^iwBU|nT!eTbB5dw`3UYkY!=m;"),
            3: b85decode(
                "U|VBrU5!^wM`Uklly*%XCR2fWhe--"
                "YErE7;j)R4Uafo?;fqZ#vc5!ila&vBLXl#9Ia%5&>U~F)AiiMGAadLZ!h?Hh_e}0FHkZ5~+f`g2e"
            ),
            4: b85decode(
                "S6@tIcTaVUQD$Rjba6<GkY_h9CsBG{hKY$-"
                "ITR>Be|>p{QW6zLA#8?oc#edCg^Y1~ih7EOg@uA_b$xYndwOzsYH@FFaDIPsb!>5HX>5IbYH@8}YGz<*aB_2shJ}$~XK"
                "ZVAiH3-iY;<~id5MLKl45Rpe|(6Aj*Vn`dVYd|hK!T"
            ),
        },
    ),
}
"""A baseline JPEG with a quarter of the colours and restart markers, and a progressive one with all colours."""
