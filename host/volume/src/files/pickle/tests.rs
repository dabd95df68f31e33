//! Pickles that Python wrote, hostile ones, and round trips.

use proptest::prelude::*;

use super::{StorageRef, TensorRef, Value, read, write};
use crate::files::dtype::Dtype;
use crate::files::ndarray::{NdArray, Scalar};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// `{"n": None, 1: [True, -2, 2**40, -1.5], (1, 2): np.arange(6, dtype="<i2").reshape(2, 3), "f": np.float32(0.5),
/// "b": b"\x80a", "s": {3}, "o": OrderedDict(a=1), "fortran": np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])}`
/// under protocols 0, 2, 4 and 5 of Python 3.11 with NumPy 2.4.
const PROTOCOLS: [&str; 4] = [
    "286470300a566e0a70310a4e7349310a286c70320a4930310a61492d320a614c313039393531313632373737364c0a61462d312e\
     350a61732849310a49320a7470330a636e756d70792e5f636f72652e6d756c746961727261790a5f7265636f6e7374727563740a\
     70340a28636e756d70790a6e6461727261790a70350a2849300a7470360a635f636f646563730a656e636f64650a70370a285662\
     0a70380a566c6174696e310a70390a747031300a527031310a747031320a527031330a2849310a2849320a49330a747031340a63\
     6e756d70790a64747970650a7031350a285669320a7031360a4930300a4930310a747031370a527031380a2849330a563c0a7031\
     390a4e4e4e492d310a492d310a49300a747032300a624930300a67370a28565c75303030305c7530303030015c7530303030025c\
     7530303030035c7530303030045c7530303030055c75303030300a7032310a67390a747032320a527032330a747032340a627356\
     660a7032350a636e756d70792e5f636f72652e6d756c746961727261790a7363616c61720a7032360a286731350a285666340a70\
     32370a4930300a4930310a747032380a527032390a2849330a6731390a4e4e4e492d310a492d310a49300a747033300a6267370a\
     28565c75303030305c75303030305c75303030303f0a7033310a67390a747033320a527033330a747033340a527033350a735662\
     0a7033360a67370a285680610a7033370a67390a747033380a527033390a7356730a7034300a635f5f6275696c74696e5f5f0a73\
     65740a7034310a28286c7034320a49330a61747034330a527034340a73566f0a7034350a63636f6c6c656374696f6e730a4f7264\
     65726564446963740a7034360a2874527034370a56610a7034380a49310a737356666f727472616e0a7034390a67340a2867350a\
     2849300a747035300a6731310a747035310a527035320a2849310a2849320a49320a747035330a6731350a285666380a7035340a\
     4930300a4930310a747035350a527035360a2849330a6731390a4e4e4e492d310a492d310a49300a747035370a624930310a6737\
     0a28565c75303030305c75303030305c75303030305c75303030305c75303030305c7530303030f03f5c75303030305c75303030\
     305c75303030305c75303030305c75303030305c753030303008405c75303030305c75303030305c75303030305c75303030305c\
     75303030305c75303030305c7530303030405c75303030305c75303030305c75303030305c75303030305c75303030305c753030\
     303010400a7035380a67390a747035390a527036300a747036310a62732e",
    "80027d71002858010000006e71014e4b015d710228884afeffffff8a0600000000000147bff8000000000000654b014b02867103\
     636e756d70792e5f636f72652e6d756c746961727261790a5f7265636f6e7374727563740a7104636e756d70790a6e6461727261\
     790a71054b00857106635f636f646563730a656e636f64650a7107580100000062710858060000006c6174696e31710986710a52\
     710b87710c52710d284b014b024b0386710e636e756d70790a64747970650a710f5802000000693271108988877111527112284b\
     0358010000003c71134e4e4e4affffffff4affffffff4b0074711462896807580c00000000000100020003000400050071156809\
     867116527117747118625801000000667119636e756d70792e5f636f72652e6d756c746961727261790a7363616c61720a711a68\
     0f58020000006634711b898887711c52711d284b0368134e4e4e4affffffff4affffffff4b0074711e6268075804000000000000\
     3f711f6809867120527121867122527123580100000062712468075803000000c280617125680986712652712758010000007371\
     28635f5f6275696c74696e5f5f0a7365740a71295d712a4b036185712b52712c58010000006f712d63636f6c6c656374696f6e73\
     0a4f726465726564446963740a712e2952712f58010000006171304b01735807000000666f727472616e7131680468054b008571\
     32680b877133527134284b014b024b02867135680f5802000000663871368988877137527138284b0368134e4e4e4affffffff4a\
     ffffffff4b00747139628868075821000000000000000000c3b03f00000000000008400000000000000040000000000000104071\
     3a680986713b52713c74713d62752e",
    "800495ae010000000000007d94288c016e944e4b015d9428884afeffffff8a0600000000000147bff8000000000000654b014b02\
     86948c166e756d70792e5f636f72652e6d756c74696172726179948c0c5f7265636f6e7374727563749493948c056e756d707994\
     8c076e6461727261799493944b0085944301629487945294284b014b024b03869468078c0564747970659493948c026932948988\
     87945294284b038c013c944e4e4e4affffffff4affffffff4b0074946289430c000001000200030004000500947494628c016694\
     68048c067363616c617294939468108c02663494898887945294284b0368144e4e4e4affffffff4affffffff4b00749462430400\
     00003f94869452948c01629443028061948c0173948f94284b03908c016f948c0b636f6c6c656374696f6e73948c0b4f72646572\
     6564446963749493942952948c0161944b01738c07666f727472616e94680668094b008594680b87945294284b014b024b028694\
     68108c02663894898887945294284b0368144e4e4e4affffffff4affffffff4b00749462884320000000000000f03f0000000000\
     0008400000000000000040000000000000104094749462752e",
    "800595ad010000000000007d94288c016e944e4b015d9428884afeffffff8a0600000000000147bff8000000000000654b014b02\
     86948c136e756d70792e5f636f72652e6e756d65726963948c0b5f66726f6d62756666657294939428960c000000000000000000\
     01000200030004000500948c056e756d7079948c0564747970659493948c02693294898887945294284b038c013c944e4e4e4aff\
     ffffff4affffffff4b007494624b024b0386948c014394749452948c0166948c166e756d70792e5f636f72652e6d756c74696172\
     726179948c067363616c6172949394680a8c02663494898887945294284b03680e4e4e4e4affffffff4affffffff4b0074946243\
     040000003f94869452948c01629443028061948c0173948f94284b03908c016f948c0b636f6c6c656374696f6e73948c0b4f7264\
     65726564446963749493942952948c0161944b01738c07666f727472616e94680628962000000000000000000000000000f03f00\
     000000000008400000000000000040000000000000104094680a8c02663894898887945294284b03680e4e4e4e4affffffff4aff\
     ffffff4b007494624b024b0286948c01469474945294752e",
];

fn example() -> Value {
    let text = |s: &str| Value::Str(s.into());
    let array = |a: NdArray| Value::NdArray(Box::new(a));
    Value::Dict(vec![
        (text("n"), Value::None),
        (Value::Int(1), Value::List(vec![Value::Bool(true), Value::Int(-2), Value::Int(1 << 40), Value::Float(-1.5)])),
        (Value::Tuple(vec![Value::Int(1), Value::Int(2)]), array(NdArray::new(&[2, 3], &[0_i16, 1, 2, 3, 4, 5]).unwrap())),
        (text("f"), Value::NumpyScalar(Scalar::new(0.5_f32))),
        (text("b"), Value::Bytes(b"\x80a".to_vec())),
        (text("s"), Value::Set(vec![Value::Int(3)])),
        (text("o"), Value::OrderedDict(vec![(text("a"), Value::Int(1))])),
        (text("fortran"), array(NdArray::new(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).unwrap())),
    ])
}

#[test]
fn what_python_wrote_reads_the_same_under_every_protocol() {
    for pickle in PROTOCOLS {
        assert_eq!(read(&hex(pickle)).unwrap(), example());
    }
}

#[test]
fn what_is_written_reads_back() {
    let storage = StorageRef { key: "12".into(), dtype: Dtype::F16, len: 300 };
    let mut tensor = TensorRef::contiguous(storage, vec![2, 3, 5, 1, 2]);
    tensor.offset = 70_000 / 700;
    let all = Value::List(vec![
        example(),
        Value::Tensor(Box::new(tensor)),
        Value::Device("cuda:0".into()),
        Value::Size(vec![1, 2, 3, 4]),
        Value::TorchDtype(Dtype::BF16),
        Value::NumpyDtype(Dtype::Bool),
        Value::LargestComponent,
        Value::Tuple(vec![]),
        Value::List(vec![]),
        Value::Dict(vec![]),
        Value::Bytes(vec![]),
        Value::Str("äöü\n".into()),
        Value::List([0, 255, 256, 65_535, 65_536, -1, i64::MIN, i64::MAX].map(Value::Int).to_vec()),
    ]);
    assert_eq!(read(&write(&all).unwrap()).unwrap(), all);
}

/// NumPy before 1.26 has no `numpy._core`; NumPy 2 still opens what is named as before.
#[test]
fn arrays_have_the_name_that_every_numpy_knows() {
    let pickle = write(&example()).unwrap();
    let holds = |text: &str| pickle.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("cnumpy.core.multiarray\n_reconstruct\n") && holds("cnumpy.core.multiarray\nscalar\n"));
    assert!(!holds("numpy._core"));
}

fn error(pickle: &[u8]) -> String {
    read(pickle).unwrap_err().to_string()
}

#[test]
fn foreign_constructors_are_refused_by_name() {
    let found = error(b"cos\nsystem\n(X\x04\x00\x00\x00truetR.");
    assert_eq!(found, "pickle at byte 0: `os.system` is not on the list of what a pickle may build");
    assert!(error(b"\x8c\x08builtins\x8c\x04eval\x93.").contains("`builtins.eval`"));
    assert!(error(b"ctorch\nload\n.").contains("`torch.load`"));
    // nnU-Net's postprocessing is a name that may be held, and not called
    let name = b"cnnunetv2.postprocessing.remove_connected_components\nremove_all_but_largest_component_from_segmentation\n";
    assert_eq!(read(&[name, &b"."[..]].concat()).unwrap(), Value::LargestComponent);
    assert!(error(&[name, &b")R."[..]].concat()).contains("wrong kinds"));
    assert!(error(b"cevil.nnunetv2.x\nremove_all_but_largest_component_from_segmentation\n.").contains("not on the list"));
    // a constructor that is on the list, but as a value
    assert!(error(b"ccollections\nOrderedDict\n.").contains("bare constructor OrderedDict"));
    assert!(error(b"ccollections\nOrderedDict\nK\x01\x85R.").contains("wrong kinds"));
}

#[test]
fn hostile_pickles_are_refused() {
    assert!(error(b"").contains("wants 1 bytes where 0 are left"));
    assert!(error(b".").contains("stack is empty"));
    assert!(error(b"X\xff\xff\xff\xffabc.").contains("wants 4294967295 bytes"));
    assert!(error(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.").contains("wants"));
    assert!(error(b"\x8a\x09123456789.").contains("9 bytes"));
    assert!(error(b"h\x07.").contains("memo 7"));
    assert!(error(b"(K\x01K\x02(0.").contains("stack is empty"));
    // a list that holds itself
    assert!(error(b"]q\x00h\x00a.").contains("nests deeper"));
    assert!(error(&[b"]".repeat(200), b"a".repeat(199), b".".to_vec()].concat()).contains("nests deeper"));
    // each list holds the one before twice: 2^60 values
    let mut doubled = b"]q\x00".to_vec();
    for _ in 0..60 {
        doubled.extend(b"0]q\x01h\x00ah\x00aq\x00");
    }
    doubled.push(b'.');
    assert!(error(&doubled).contains("many times its length"));
    // one text encoded again and again
    let mut copies = b"c_codecs\nencode\nq\x000X\x00\x10\x00\x00".to_vec();
    copies.extend([b'a'; 4096]);
    copies.extend(b"q\x010X\x06\x00\x00\x00latin1q\x02");
    copies.extend(b"0h\x00h\x01h\x02\x86R".repeat(1000));
    copies.push(b'.');
    assert!(error(&copies).contains("many times its length"));
}

#[test]
fn tensors_stay_inside_their_storage() {
    let storage = StorageRef { key: "0".into(), dtype: Dtype::F32, len: 24 };
    let good = TensorRef::contiguous(storage, vec![2, 3, 4]);
    assert!(good.check().is_ok());
    let bad = [
        TensorRef { offset: 1, ..good.clone() },
        TensorRef { shape: vec![2, 3, 5], ..good.clone() },
        TensorRef { stride: vec![13, 4, 1], ..good.clone() },
        TensorRef { stride: vec![usize::MAX, 4, 1], ..good.clone() },
        TensorRef { shape: vec![1 << 40, 1 << 40, 1], stride: vec![0, 0, 0], ..good.clone() },
        TensorRef { shape: vec![100], stride: vec![0], ..good.clone() },
        TensorRef { stride: vec![1], ..good.clone() },
    ];
    for tensor in bad {
        assert!(tensor.check().is_err(), "{tensor:?}");
        assert!(write(&Value::Tensor(Box::new(tensor))).is_err());
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn random_opcodes_never_panic(ops in proptest::collection::vec(
        proptest::sample::select(b"(.012}])NKqhRbtesauld\x85\x86\x87\x88\x8f\x90\x91\x93\x94Q".to_vec()), 0..400)) {
        let _ = read(&ops);
    }

    #[test]
    fn broken_pickles_never_panic(
        which in 0_usize..4, flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut pickle = hex(PROTOCOLS[which]);
        for (at, byte) in flips {
            let at = at.index(pickle.len());
            pickle[at] = byte;
        }
        let _ = read(&pickle);
        prop_assert!(read(&pickle[..cut.index(pickle.len())]).is_err() || pickle.contains(&b'.'));
    }
}
